"""What the operating system lets an enclave do, and where its seeds lie."""
