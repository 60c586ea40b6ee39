"""Facts about the device that MLX computes on here: measured, not judged.

The self-test runs these on machines that nobody has met before, and judges what they return. Each
takes what it measures as a parameter (how to wait, which loop, which backend), so that tests can
hand it one that is wrong.

- `asynchrony`: when dispatching, evaluating and waiting come back, and what is then ready
- `costs`: a kernel launch, a round trip
- `decoding`: forwards, tokens and rates of a loaded model, beside mlx-lm's own
- `trapped`: two loops that time wrongly, on purpose
- `two_backends`: one kernel on both of them
- `ties`: what the device does with values that are equal, or not a number
"""
