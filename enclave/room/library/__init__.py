"""Library programs of clean rooms. What each finds stands in docs/room-programs.md."""
