//! Rows that come in any order, kept as columns.
//!
//! A chunk of a census is ten thousand rows of some hundred values, most of them empty. As columns they take little memory,
//! and a row that is put into them as soon as it is there is let go while it still stands in the processor's cache. Their
//! order is made when they are written, column by column.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, GenericByteArray, ListArray, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StructArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, BinaryType, ByteArrayType, DataType, TimeUnit,
    TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type, Utf8Type,
};
use arrow::error::ArrowError;
use serde_arrow::ArrayBuilder;

use crate::Table;

/// Rows of a table, each under a key by which they are put in order.
pub struct Gathered<T> {
    /// From the first row on.
    columns: Option<Result<ArrayBuilder, serde_arrow::Error>>,
    keys: Vec<u64>,
    row: PhantomData<fn(T)>,
}

impl<T: Table> Default for Gathered<T> {
    fn default() -> Self {
        Self { columns: None, keys: Vec::new(), row: PhantomData }
    }
}

impl<T: Table> Gathered<T> {
    /// Puts a row in. One that does not fit its columns is told of when they are written.
    pub fn put(&mut self, key: u64, row: &T) {
        self.keys.push(key);
        let columns = self.columns.get_or_insert_with(|| ArrayBuilder::from_arrow(&T::fields()));
        if let Ok(builder) = columns
            && let Err(error) = builder.push(row)
        {
            *columns = Err(error);
        }
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
    pub(crate) fn in_order<E: From<serde_arrow::Error> + From<ArrowError>>(
        self,
        rows_at_a_time: usize,
        mut each: impl FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { columns, keys, .. } = self;
        let Some(columns) = columns else { return Ok(()) };
        let rows = columns?.into_record_batch()?;
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|&place| keys[place]);
        for places in order.chunks(rows_at_a_time) {
            let columns =
                rows.columns().iter().map(|column| pick(column, places)).collect::<Result<_, _>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
            each(&RecordBatch::try_new_with_options(rows.schema(), columns, &options)?)?;
        }
        Ok(())
    }
}

/// The values at these places, in this order. It knows the types of [`Kind`](crate::Kind).
fn pick(column: &ArrayRef, places: &[usize]) -> Result<ArrayRef, ArrowError> {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| {
        NullBuffer::new(BooleanBuffer::collect_bool(places.len(), |at| nulls.is_valid(places[at])))
    });
    Ok(match column.data_type() {
        DataType::Utf8 => pick_bytes::<Utf8Type>(column, places, nulls)?,
        DataType::Binary => pick_bytes::<BinaryType>(column, places, nulls)?,
        DataType::UInt16 => pick_numbers::<UInt16Type>(column, places, nulls)?,
        DataType::UInt32 => pick_numbers::<UInt32Type>(column, places, nulls)?,
        DataType::UInt64 => pick_numbers::<UInt64Type>(column, places, nulls)?,
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            pick_numbers::<TimestampMicrosecondType>(column, places, nulls)?
        }
        DataType::Boolean => {
            let values = column.as_boolean().values();
            let picked = BooleanBuffer::collect_bool(places.len(), |at| values.value(places[at]));
            Arc::new(BooleanArray::new(picked, nulls))
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns().iter();
            let columns = columns.map(|column| pick(column, places)).collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new(fields.clone(), columns, nulls)?)
        }
        DataType::List(item) => {
            let list = column.as_list::<i32>();
            let ends = list.value_offsets();
            let mut items = Vec::new();
            let lengths = places.iter().map(|&place| {
                let (begin, end) = (ends[place].as_usize(), ends[place + 1].as_usize());
                items.extend(begin..end);
                end - begin
            });
            let lengths = OffsetBuffer::from_lengths(lengths);
            Arc::new(ListArray::try_new(Arc::clone(item), lengths, pick(list.values(), &items)?, nulls)?)
        }
        other => return Err(ArrowError::NotYetImplemented(format!("putting {other} in order"))),
    })
}

fn pick_numbers<N: ArrowPrimitiveType>(
    column: &ArrayRef,
    places: &[usize],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let values = column.as_primitive::<N>().values();
    let picked: Vec<N::Native> = places.iter().map(|&place| values[place]).collect();
    let array = PrimitiveArray::<N>::try_new(ScalarBuffer::from(picked), nulls)?;
    Ok(Arc::new(array.with_data_type(column.data_type().clone())))
}

fn pick_bytes<B: ByteArrayType<Offset = i32>>(
    column: &ArrayRef,
    places: &[usize],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let array = column.as_bytes::<B>();
    let (ends, bytes) = (array.value_offsets(), array.value_data());
    let piece = |place: usize| ends[place].as_usize()..ends[place + 1].as_usize();
    let lengths = OffsetBuffer::<i32>::from_lengths(places.iter().map(|&place| piece(place).len()));
    let mut picked = Vec::with_capacity(lengths.last().map_or(0, |end| end.as_usize()));
    for &place in places {
        picked.extend_from_slice(&bytes[piece(place)]);
    }
    Ok(Arc::new(GenericByteArray::<B>::try_new(lengths, Buffer::from_vec(picked), nulls)?))
}
