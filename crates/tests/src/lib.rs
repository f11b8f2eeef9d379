//! HTTP tests of the whole house; see `tests/http`.
