"""The story that `./scripts/demo` tells, and the replay of real payments."""
