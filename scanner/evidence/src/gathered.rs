//! Rows that come in any order, kept as columns.
//!
//! A chunk of a census is ten thousand rows of some hundred values, most of them empty. As columns they take little memory,
//! and a row that is put into them as soon as it is there is let go while it still stands in the processor's cache. Their
//! order is made when they are written, column by column.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::Table;
use crate::cells::{Cell, Cells};

/// Rows of a table, each under a key by which they are put in order.
pub struct Gathered<T: Cell> {
    columns: T::Cells,
    keys: Vec<u64>,
}

impl<T: Cell> Default for Gathered<T> {
    fn default() -> Self {
        Self { columns: T::Cells::default(), keys: Vec::new() }
    }
}

impl<T: Table + Cell> Gathered<T> {
    /// Puts a row in.
    pub fn put(&mut self, key: u64, row: &T) {
        self.keys.push(key);
        row.put(&mut self.columns);
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Hands over the rows in the order of their keys, so many at a time; those of one key as they came.
    pub(crate) fn in_order<E: From<ArrowError>>(
        &self,
        rows_at_a_time: usize,
        mut each: impl FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let schema = T::schema();
        let kind = DataType::Struct(schema.fields().clone());
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_by_key(|&place| self.keys[place]);
        for places in order.chunks(rows_at_a_time) {
            each(&RecordBatch::from(self.columns.array(places, &kind, None)?.as_struct()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Cause, Cname, DomainRow, Ending, ExtendedError, InputColumn, Lookup, MxRecord, NsRecord, OwnCause,
        Security, Stage, TxtRecord,
    };
    use arrow::datatypes::Field;
    use serde_bytes::ByteBuf;

    /// Draws rows whose values are of all lengths and sizes, and as often missing as there.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }

        fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
            values[self.below(values.len())]
        }

        fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
            (self.below(2) == 0).then(|| value(self))
        }

        fn some<T>(&mut self, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
            (0..self.below(4)).map(|_| value(self)).collect()
        }

        fn text(&mut self) -> String {
            self.one_of(&["", "a", "d.example", "ü\0\u{10ffff}", "_mta-sts.d.example"]).repeat(self.below(30))
        }

        fn bytes(&mut self) -> ByteBuf {
            ByteBuf::from(self.one_of(&[b"".as_slice(), b"\0\xff", b"v=STSv1; id=1;"]).repeat(self.below(30)))
        }

        fn short(&mut self) -> u16 {
            self.one_of(&[0, 1, u16::MAX])
        }

        fn ttl(&mut self) -> u32 {
            self.one_of(&[0, 3_600, u32::MAX])
        }

        fn long(&mut self) -> u64 {
            self.one_of(&[0, 42, u64::MAX])
        }

        fn ending(&mut self) -> Ending {
            let (stage, detail) = (self.one_of(Stage::ALL), self.maybe(Self::text));
            match self.below(3) {
                0 => Ending::Completed,
                1 => Ending::Stopped { stage, cause: self.one_of(Cause::ALL), detail },
                _ => Ending::Withheld { stage, cause: self.one_of(OwnCause::ALL), detail },
            }
        }

        fn lookup<R>(&mut self, record: impl FnMut(&mut Self) -> R) -> Lookup<R> {
            Lookup {
                name: self.text().into(),
                started: self.one_of(&[i64::MIN, -1, 0, 1_700_000_000_000_001, i64::MAX]),
                elapsed_us: self.long(),
                resolver: self.maybe(|dice| dice.text().into()),
                queries: self.short(),
                tcp: self.below(2) == 0,
                rcode: self.maybe(Self::short),
                unchecked_rcode: self.maybe(Self::short),
                authenticated: self.maybe(|dice| dice.below(2) == 0),
                extended_errors: self.some(|dice| ExtendedError {
                    code: dice.short(),
                    text: dice.bytes(),
                    unchecked: dice.below(2) == 0,
                }),
                security: self.maybe(|dice| dice.one_of(Security::ALL)),
                cnames: self.some(|dice| Cname {
                    owner: dice.text().into(),
                    target: dice.text().into(),
                    ttl: dice.ttl(),
                }),
                records: self.some(record),
                ending: self.ending(),
            }
        }

        fn txt(&mut self) -> Lookup<TxtRecord> {
            self.lookup(|dice| TxtRecord { segments: dice.some(Self::bytes), ttl: dice.ttl() })
        }

        fn domain(&mut self) -> DomainRow {
            DomainRow {
                domain: self.text().into(),
                source: self.text().into(),
                line: self.long(),
                rank: self.maybe(Self::long),
                columns: self.some(|dice| InputColumn { name: dice.text(), value: dice.text() }),
                mx: self.lookup(|dice| MxRecord {
                    preference: dice.short(),
                    exchange: dice.text().into(),
                    ttl: dice.ttl(),
                }),
                ns: self.lookup(|dice| NsRecord { nameserver: dice.text().into(), ttl: dice.ttl() }),
                sts_txt: self.txt(),
                tlsrpt_txt: self.txt(),
                aside_txt: self.some(Self::txt),
            }
        }
    }

    #[test]
    fn the_columns_are_those_that_serde_makes_of_the_rows() {
        const ROWS: usize = 1_000;
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let rows: Vec<DomainRow> = (0..ROWS).map(|_| dice.domain()).collect();
        let mut gathered = Gathered::default();
        for n in 0..ROWS {
            // 619 is prime to 1,000: each once.
            let place = n * 619 % ROWS;
            gathered.put(place as u64, &rows[place]);
        }
        let mut by_serde = rows.chunks(64);
        let compared = gathered.in_order(64, |ours| {
            let rows = by_serde.next().expect("as many batches");
            let theirs = serde_arrow::to_record_batch(&DomainRow::fields(), &rows).expect("they fit");
            assert_eq!(*ours, theirs);
            Ok::<_, ArrowError>(())
        });
        compared.expect("they fit");
        assert!(by_serde.next().is_none());
    }

    #[test]
    fn columns_that_are_not_the_schemas_are_refused() {
        let mut cells = <MxRecord as Cell>::Cells::default();
        MxRecord { preference: 1, exchange: "mx.example".into(), ttl: 1 }.put(&mut cells);
        let kind_of = |names: [&str; 3], kinds: [DataType; 3]| {
            let fields = names.into_iter().zip(kinds).map(|(name, kind)| Field::new(name, kind, false));
            DataType::Struct(fields.collect())
        };
        let kinds = [DataType::UInt16, DataType::Utf8, DataType::UInt32];
        let names = ["preference", "exchange", "ttl"];
        assert!(cells.array(&[0, 0], &kind_of(names, kinds.clone()), None).is_ok());
        let other_order = ["exchange", "preference", "ttl"];
        assert!(cells.array(&[0], &kind_of(other_order, kinds), None).is_err());
        for at in 0..3 {
            let mut kinds = [DataType::UInt16, DataType::Utf8, DataType::UInt32];
            kinds[at] = DataType::Boolean;
            assert!(cells.array(&[0], &kind_of(names, kinds), None).is_err(), "{at}");
        }
    }
}
