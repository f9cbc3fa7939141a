//! A presented bearer becomes an authorized request, or a challenge; with a tower layer for any axum or hyper service.
