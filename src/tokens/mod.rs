//! Tokens and API keys we issue, list and revoke.
