"""For those outside an enclave: clients that seal and check, the simulated manufacturer. Not
measured."""
