//! SQLite behind the store traits, and the sealed file for the client's credentials.
