//! The cells of a row, whatever the engine.

use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};

/// A row whose columns can be read by name.
pub trait Cells: Send + Sync {
    /// A text.
    ///
    /// # Errors
    /// When the column is missing or holds something else.
    fn text(&self, column: &str) -> sqlx::Result<Option<String>>;
    /// Bytes.
    ///
    /// # Errors
    /// When the column is missing or holds something else.
    fn bytes(&self, column: &str) -> sqlx::Result<Option<Vec<u8>>>;
    /// A whole number.
    ///
    /// # Errors
    /// When the column is missing or holds something else.
    fn number(&self, column: &str) -> sqlx::Result<Option<i64>>;
}

macro_rules! cells {
    ($row:ty) => {
        impl Cells for $row {
            fn text(&self, column: &str) -> sqlx::Result<Option<String>> {
                self.try_get(column)
            }
            fn bytes(&self, column: &str) -> sqlx::Result<Option<Vec<u8>>> {
                self.try_get(column)
            }
            fn number(&self, column: &str) -> sqlx::Result<Option<i64>> {
                self.try_get(column)
            }
        }
    };
}

cells!(SqliteRow);
cells!(PgRow);
