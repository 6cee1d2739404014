//! From a stored row to a record, and back for the few values that need it.
//!
//! Invariant: a value that cannot be read is [`StoreFault::Damaged`]; it is never taken for an absent one.

use std::error::Error;
use std::sync::Arc;

use bongsu_model::records::MemberRole;
use bongsu_model::{Epoch, MessageId, Seq, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::tx::PostgresFault;
use crate::StoreFault;

/// A number of any width.
struct Int(i64);

impl<'a> FromSql<'a> for Int {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *kind {
            Type::INT2 => i16::from_sql(kind, raw)?.into(),
            Type::INT4 => i32::from_sql(kind, raw)?.into(),
            _ => i64::from_sql(kind, raw)?,
        }))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT2 | Type::INT4 | Type::INT8)
    }
}

/// An id of 128 bits, a UUID to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Id(pub(super) u128);

impl<'a> FromSql<'a> for Id {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(u128::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }
}

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }

    to_sql_checked!();
}

pub(super) fn number(value: u64) -> Result<i64, StoreFault> {
    i64::try_from(value).map_err(|_| PostgresFault::TooLarge.into())
}

/// Whether a text can be kept at all: the server has every character but one. What cannot be kept is not there.
pub(super) fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

/// A row of one table, read by column number.
pub(super) struct Columns<'r> {
    row: &'r Row,
    table: &'static str,
}

impl<'r> Columns<'r> {
    pub(super) const fn of(table: &'static str, row: &'r Row) -> Self {
        Self { row, table }
    }

    pub(super) const fn damaged(&self, what: &'static str) -> StoreFault {
        StoreFault::Damaged {
            table: self.table,
            what,
        }
    }

    fn get<T: FromSql<'r>>(&self, at: usize, what: &'static str) -> Result<Option<T>, StoreFault> {
        self.row.try_get(at).map_err(|_| self.damaged(what))
    }

    fn there<T>(&self, value: Option<T>, what: &'static str) -> Result<T, StoreFault> {
        value.ok_or_else(|| self.damaged(what))
    }

    pub(super) fn is_null(&self, at: usize) -> Result<bool, StoreFault> {
        Ok(self.get::<Anything>(at, "a column is missing")?.is_none())
    }

    pub(super) fn int_if(&self, at: usize, what: &'static str) -> Result<Option<i64>, StoreFault> {
        Ok(self.get::<Int>(at, what)?.map(|it| it.0))
    }

    pub(super) fn int(&self, at: usize, what: &'static str) -> Result<i64, StoreFault> {
        self.there(self.int_if(at, what)?, what)
    }

    pub(super) fn count(&self, at: usize, what: &'static str) -> Result<u64, StoreFault> {
        u64::try_from(self.int(at, what)?).map_err(|_| self.damaged(what))
    }

    pub(super) fn small(&self, at: usize, what: &'static str) -> Result<u32, StoreFault> {
        u32::try_from(self.int(at, what)?).map_err(|_| self.damaged(what))
    }

    pub(super) fn flag(&self, at: usize, what: &'static str) -> Result<bool, StoreFault> {
        self.there(self.get(at, what)?, what)
    }

    pub(super) fn str_if(&self, at: usize, what: &'static str) -> Result<Option<&'r str>, StoreFault> {
        self.get(at, what)
    }

    pub(super) fn str(&self, at: usize, what: &'static str) -> Result<&'r str, StoreFault> {
        self.there(self.str_if(at, what)?, what)
    }

    pub(super) fn text_if(&self, at: usize, what: &'static str) -> Result<Option<Arc<str>>, StoreFault> {
        Ok(self.str_if(at, what)?.map(Arc::from))
    }

    pub(super) fn text(&self, at: usize, what: &'static str) -> Result<Arc<str>, StoreFault> {
        self.str(at, what).map(Arc::from)
    }

    pub(super) fn blob(&self, at: usize, what: &'static str) -> Result<&'r [u8], StoreFault> {
        self.there(self.get(at, what)?, what)
    }

    pub(super) fn bytes<const N: usize>(&self, at: usize, what: &'static str) -> Result<[u8; N], StoreFault> {
        self.blob(at, what)?.try_into().map_err(|_| self.damaged(what))
    }

    pub(super) fn id_if(&self, at: usize, what: &'static str) -> Result<Option<u128>, StoreFault> {
        Ok(self.get::<Id>(at, what)?.map(|id| id.0))
    }

    pub(super) fn id(&self, at: usize, what: &'static str) -> Result<u128, StoreFault> {
        self.there(self.id_if(at, what)?, what)
    }

    pub(super) fn message_id(&self, at: usize, what: &'static str) -> Result<MessageId, StoreFault> {
        self.id(at, what).map(MessageId)
    }

    pub(super) fn seq(&self, at: usize, what: &'static str) -> Result<Seq, StoreFault> {
        self.count(at, what).map(Seq)
    }

    pub(super) fn time_if(&self, at: usize, what: &'static str) -> Result<Option<Timestamp>, StoreFault> {
        Ok(self.int_if(at, what)?.map(Timestamp))
    }

    pub(super) fn time(&self, at: usize, what: &'static str) -> Result<Timestamp, StoreFault> {
        self.int(at, what).map(Timestamp)
    }

    pub(super) fn named<T>(
        &self,
        at: usize,
        what: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreFault> {
        parse(self.str(at, what)?).ok_or_else(|| self.damaged(what))
    }

    pub(super) fn role(&self, at: usize) -> Result<MemberRole, StoreFault> {
        self.named(at, "role", MemberRole::parse)
    }

    pub(super) fn epoch(&self, at: usize) -> Result<Epoch, StoreFault> {
        self.int(at, "epoch").map(|bits| Epoch(bits.cast_unsigned()))
    }
}

/// A value of whatever kind, of which only its being there is asked.
struct Anything;

impl<'a> FromSql<'a> for Anything {
    fn from_sql(_: &Type, _: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
