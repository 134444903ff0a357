"""`./scripts/demo`: the main job step by step, or a replay of real payments. Its options stand in
node/cli/demo.py; those of `--scenario people`, which brings an OpenID provider of the tests, in
demo_people.py."""

import sys
from itertools import pairwise
from pathlib import Path


def main() -> None:
    """Run it; Ctrl-C ends it quietly, also while it is still loading."""
    try:
        given = sys.argv[1:]
        if "--scenario=people" in given or ("--scenario", "people") in pairwise(given):
            # It brings helpers of the tests, which no package of the product may load.
            sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
            from scripts.demo_people import app
        else:
            from strongroom.node.cli.demo import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
