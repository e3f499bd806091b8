//! What outlives a restart: SQLite on its own thread, in verbs of the domain.
