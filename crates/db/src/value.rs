//! Values in and out, the same for both engines.

use std::str::FromStr;

use kernel::{Id, Moment, Phone, Slug};
use sqlx::Row as _;

use crate::Error;

/// One bound argument. The `Option` keeps the type of a NULL, which PostgreSQL wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Int(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! from {
    ($($ty:ty => |$v:ident| $to:expr),* $(,)?) => {$(
        impl From<$ty> for Value {
            fn from($v: $ty) -> Self { $to }
        }
    )*};
}

from! {
    i64 => |v| Self::Int(Some(v)),
    i32 => |v| Self::Int(Some(i64::from(v))),
    u32 => |v| Self::Int(Some(i64::from(v))),
    u64 => |v| Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX))),
    usize => |v| Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX))),
    bool => |v| Self::Int(Some(i64::from(v))),
    Moment => |v| Self::Int(Some(v.0)),
    f64 => |v| Self::Real(Some(v)),
    &str => |v| Self::Text(Some(v.to_owned())),
    &String => |v| Self::Text(Some(v.clone())),
    String => |v| Self::Text(Some(v)),
    &Slug => |v| Self::Text(Some(v.as_str().to_owned())),
    &Phone => |v| Self::Text(Some(v.digits().to_owned())),
    Vec<u8> => |v| Self::Bytes(Some(v)),
    &[u8] => |v| Self::Bytes(Some(v.to_vec())),
    Option<i64> => |v| Self::Int(v),
    Option<Moment> => |v| Self::Int(v.map(|m| m.0)),
    Option<f64> => |v| Self::Real(v),
    Option<String> => |v| Self::Text(v),
    Option<&str> => |v| Self::Text(v.map(str::to_owned)),
    Option<Vec<u8>> => |v| Self::Bytes(v),
}

impl<K> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Self {
        Self::Text(Some(id.to_string()))
    }
}
impl<K> From<Option<Id<K>>> for Value {
    fn from(id: Option<Id<K>>) -> Self {
        Self::Text(id.map(|id| id.to_string()))
    }
}

/// Where a page of a list that runs from new to old starts: before this time and id, or at the top.
pub fn page_start<K>(before: Option<(Moment, Id<K>)>) -> (Moment, String) {
    match before {
        Some((at, id)) => (at, id.to_string()),
        None => (Moment(i64::MAX), String::new()),
    }
}

/// One row of an answer. Columns are read by position.
pub enum Row {
    Sqlite(Vec<rusqlite::types::Value>),
    Postgres(sqlx::postgres::PgRow),
}

impl Row {
    /// Reads column `index`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the column holds something else.
    pub fn get<T: Column>(&self, index: usize) -> Result<T, Error> {
        T::read(self, index)
    }

    fn int(&self, index: usize) -> Result<Option<i64>, Error> {
        match self {
            Self::Sqlite(row) => match &row[index] {
                rusqlite::types::Value::Null => Ok(None),
                rusqlite::types::Value::Integer(value) => Ok(Some(*value)),
                _ => Err(Error::Corrupt { column: index, expected: "an integer" }),
            },
            Self::Postgres(row) => Ok(row.try_get::<Option<i64>, _>(index)?),
        }
    }

    fn text(&self, index: usize) -> Result<Option<String>, Error> {
        match self {
            Self::Sqlite(row) => match &row[index] {
                rusqlite::types::Value::Null => Ok(None),
                rusqlite::types::Value::Text(value) => Ok(Some(value.clone())),
                _ => Err(Error::Corrupt { column: index, expected: "text" }),
            },
            Self::Postgres(row) => Ok(row.try_get::<Option<String>, _>(index)?),
        }
    }
}

/// A type that a column can be read as.
pub trait Column: Sized {
    fn read(row: &Row, index: usize) -> Result<Self, Error>;
}

/// Reads through `Option`, so that NULL is told from a wrong type.
macro_rules! columns {
    ($($ty:ty, $expected:literal, |$row:ident, $index:ident| $read:expr);* $(;)?) => {$(
        impl Column for Option<$ty> {
            fn read($row: &Row, $index: usize) -> Result<Self, Error> { $read }
        }
        impl Column for $ty {
            fn read(row: &Row, index: usize) -> Result<Self, Error> {
                <Option<$ty>>::read(row, index)?
                    .ok_or(Error::Corrupt { column: index, expected: $expected })
            }
        }
    )*};
}

columns! {
    i64, "an integer", |row, index| row.int(index);
    bool, "a flag", |row, index| Ok(row.int(index)?.map(|v| v != 0));
    Moment, "an instant", |row, index| Ok(row.int(index)?.map(Moment));
    String, "text", |row, index| row.text(index);
    Slug, "a slug", |row, index| parse(row, index, "a slug");
    Phone, "a phone", |row, index| parse(row, index, "a phone");
    f64, "a number", |row, index| match row {
        Row::Sqlite(row) => match &row[index] {
            rusqlite::types::Value::Null => Ok(None),
            rusqlite::types::Value::Real(value) => Ok(Some(*value)),
            #[expect(clippy::cast_precision_loss, reason = "SQLite stores whole reals as integers")]
            rusqlite::types::Value::Integer(value) => Ok(Some(*value as f64)),
            _ => Err(Error::Corrupt { column: index, expected: "a number" }),
        },
        Row::Postgres(row) => Ok(row.try_get::<Option<f64>, _>(index)?),
    };
    Vec<u8>, "bytes", |row, index| match row {
        Row::Sqlite(row) => match &row[index] {
            rusqlite::types::Value::Null => Ok(None),
            rusqlite::types::Value::Blob(value) => Ok(Some(value.clone())),
            _ => Err(Error::Corrupt { column: index, expected: "bytes" }),
        },
        Row::Postgres(row) => Ok(row.try_get::<Option<Vec<u8>>, _>(index)?),
    };
}

fn parse<T: FromStr>(row: &Row, index: usize, expected: &'static str) -> Result<Option<T>, Error> {
    row.text(index)?
        .map(|text| text.parse::<T>().map_err(|_| Error::Corrupt { column: index, expected }))
        .transpose()
}

impl<K> Column for Option<Id<K>> {
    fn read(row: &Row, index: usize) -> Result<Self, Error> {
        parse(row, index, "an id")
    }
}
impl<K> Column for Id<K> {
    fn read(row: &Row, index: usize) -> Result<Self, Error> {
        <Option<Id<K>>>::read(row, index)?
            .ok_or(Error::Corrupt { column: index, expected: "an id" })
    }
}
