"""Leave a server as it was, in a process of its own that nobody's Ctrl-C reaches.

Loading a large model again takes longer than anybody waits after Ctrl-C, and Ollama gives a load up
when whoever asked for it hangs up. So the steps are handed to a child process in a session of its
own, which goes on when its parent is gone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from mlxbench.engines.ollama.api import Api
from mlxbench.http_client import Address, Client, ServerFault, parse_address
from mlxbench.http_client.address import OLLAMA_PORT

Step = dict[str, Any]


def unloading(model: str) -> Step:
    """The step that unloads a model."""
    return {"unload": model}


def loading(body: dict[str, Any]) -> Step:
    """The step that loads a model by this request."""
    return {"load": body}


def restore(address: Address, steps: Sequence[Step]) -> None:
    """Take the steps and return when they are done; they go on if this process ends before."""
    job = json.dumps({"url": address.url, "steps": list(steps)})
    command = [sys.executable, "-c", f"from {__name__} import main; main()", job]
    subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL).wait()


def take(api: Api, step: Step) -> str | None:
    """Take one step; what to tell people if it failed. A server that is gone needs no restoring."""
    try:
        if "unload" in step:
            api.unload(step["unload"])
        else:
            api.load(step["load"])
    except ServerFault as fault:
        if fault.reason == "connection":
            return None
        model = step.get("unload") or step["load"]["model"]
        doing = "unloaded" if "unload" in step else "loaded again"
        return f"warning: {model} could not be {doing} ({fault.message}); see `ollama ps`"
    return None


def main() -> None:
    """The child process: its argument is the job."""
    job = json.loads(sys.argv[1])
    # Whoever started the measurement allowed this address.
    api = Api(Client(parse_address(job["url"], OLLAMA_PORT, allow_remote=True)))
    for step in job["steps"]:
        if failure := take(api, step):
            sys.stderr.write(failure + "\n")
    api.client.close()
