"""`./scripts/demo`: the main job step by step, or a replay of real payments. Its options stand in
node/cli/demo.py."""

import sys


def main() -> None:
    """Run it; Ctrl-C ends it quietly, also while it is still loading."""
    try:
        from strongroom.node.cli.demo import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
