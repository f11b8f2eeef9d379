//! What can go wrong between us and the database.

/// A failed database call. Branch on [`Error::is_unavailable`] for a 503.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database is not reachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database stayed locked by another process for {0} seconds")]
    Busy(u64),
    #[error("sqlite refused the statement")]
    Sqlite(#[source] rusqlite::Error),
    #[error("postgresql refused the statement")]
    Postgres(#[source] sqlx::Error),
    #[error("unreadable data in column {column}: expected {expected}")]
    Corrupt { column: usize, expected: &'static str },
    #[error("the group commit failed: {0}")]
    Commit(String),
    #[error("{0}")]
    Setup(String),
}

impl Error {
    /// Whether the database is gone or locked, so that the caller should be told to come back.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy(_) | Self::Commit(_))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi::ErrorCode as Code;
        let gone = matches!(
            error.sqlite_error_code(),
            Some(
                Code::DiskFull
                    | Code::CannotOpen
                    | Code::SystemIoFailure
                    | Code::ReadOnly
                    | Code::DatabaseCorrupt
                    | Code::NotADatabase
            )
        );
        if gone { Self::Unavailable(Box::new(error)) } else { Self::Sqlite(error) }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(Box::new(error)),
            // 57P0x: the server is shutting down or starting up.
            sqlx::Error::Database(ref cause)
                if cause.code().is_some_and(|code| code.starts_with("57P")) =>
            {
                Self::Unavailable(Box::new(error))
            }
            other => Self::Postgres(other),
        }
    }
}
