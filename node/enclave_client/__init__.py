"""The way to the enclave: its process, the frames, the calls."""
