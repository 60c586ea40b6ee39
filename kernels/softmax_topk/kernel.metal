    // One SIMD group routes one token. Lane l holds the logits of experts l, l + 32, l + 64, ...
    constexpr int HELD = (E + 31) / 32;
    constexpr uint INDEX_BITS = 13;  // free below a 16-bit float's bits, once it is a float32
    uint lane = thread_index_in_simdgroup;
    uint token = threadgroup_position_in_grid.x;
    size_t row = size_t(token) * E;

    float value[HELD];
    float top = -INFINITY;
    for (int i = 0; i < HELD; i++) {
        int expert = i * 32 + int(lane);
        value[i] = expert < E ? static_cast<float>(logits[row + expert]) : -INFINITY;
        top = metal::max(top, value[i]);
    }
    top = simd_max(top);
    float total = 0.0f;
    for (int i = 0; i < HELD; i++) {
        int expert = i * 32 + int(lane);
        value[i] = expert < E ? metal::precise::exp(value[i] - top) : 0.0f;
        total += value[i];
    }
    total = simd_sum(total);

    // Keys are in the order of the rule: by the softmax rounded to T, NaN last. 0 is no candidate.
    // The bits of floats that are not negative are in the order of the floats.
    uint key[HELD];
    for (int i = 0; i < HELD; i++) {
        int expert = i * 32 + int(lane);
        value[i] /= total;  // one NaN among the logits is one in the total, so everywhere
        float score = static_cast<float>(static_cast<T>(value[i]));
        uint bits = metal::isnan(score) ? 0x7fffe000u : as_type<uint>(score);
        if (sizeof(T) == 2) {
            bits |= uint(expert);  // 13 bits are zero there: ties go to the higher index at once
        }
        key[i] = expert < E ? bits + 1u : 0u;
    }

    // Slots are filled from the last, the best; lane k keeps what slot k gets.
    uint chosen = 0;
    float kept = 0.0f;
    for (int slot = K - 1; slot >= 0; slot--) {
        uint best = 0;
        int held = 0;
        for (int i = 0; i < HELD; i++) {
            if (key[i] >= best) {
                best = key[i];
                held = i;
            }
        }
        uint winner = simd_max(best);
        uint expert = (winner - 1u) & ((1u << INDEX_BITS) - 1u);
        if (sizeof(T) != 2) {
            expert = simd_max(best == winner ? uint(held) * 32u + lane : 0u);
        }
        float here = 0.0f;
        for (int i = 0; i < HELD; i++) {
            if (uint(i) * 32u + lane == expert) {
                here = value[i];
                key[i] = 0;
            }
        }
        here = simd_shuffle(here, ushort(expert % 32u));
        if (int(lane) == slot) {
            chosen = expert;
            kept = here;
        }
    }
    float weight = NORM ? kept / simd_sum(kept) : kept;
    if (int(lane) < K) {
        indices[size_t(token) * K + lane] = chosen;
        scores[size_t(token) * K + lane] = static_cast<T>(weight);
    }
