//! What `/metrics` and `/health` say.
