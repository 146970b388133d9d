//! Columns that rows are put into field by field.
//!
//! A census has some hundred values a domain, so that what one of them costs decides what a row does. Which column a value
//! belongs to is known here when the program is compiled; columns and schema are held against each other, by name and by
//! type, when arrays are made of them.

use std::slice::Iter;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, GenericByteArray, ListArray, PrimitiveArray, StructArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, BinaryType, ByteArrayType, DataType, FieldRef,
    TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type, Utf8Type,
};
use arrow::error::ArrowError;
use serde_bytes::ByteBuf;

/// A type whose values stand in a column.
pub trait Cell {
    /// The column.
    type Cells: Cells;

    /// Appends the value.
    fn put(&self, cells: &mut Self::Cells);
}

/// The values of a column, in the order in which they came.
pub trait Cells: Default + Send {
    /// Appends a place without a value.
    fn skip(&mut self);

    /// The values at these places, in this order, as an array of this type. Where it is null is what the caller knows.
    fn array(
        &self,
        places: &[usize],
        kind: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError>;
}

/// Numbers, and moments.
pub struct Numbers<N: ArrowPrimitiveType>(Vec<N::Native>);

impl<N: ArrowPrimitiveType> Default for Numbers<N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<N: ArrowPrimitiveType> Cells for Numbers<N> {
    fn skip(&mut self) {
        self.0.push(N::Native::default());
    }

    fn array(
        &self,
        places: &[usize],
        kind: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        if !PrimitiveArray::<N>::is_compatible(kind) {
            return Err(unfit("numbers", kind));
        }
        let picked: Vec<N::Native> = places.iter().map(|&place| self.0[place]).collect();
        let array = PrimitiveArray::<N>::try_new(ScalarBuffer::from(picked), nulls)?;
        Ok(Arc::new(array.with_data_type(kind.clone())))
    }
}

/// What is true or false.
#[derive(Default)]
pub struct Flags(Vec<bool>);

impl Cells for Flags {
    fn skip(&mut self) {
        self.0.push(false);
    }

    fn array(
        &self,
        places: &[usize],
        kind: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        if *kind != DataType::Boolean {
            return Err(unfit("flags", kind));
        }
        let picked = BooleanBuffer::collect_bool(places.len(), |at| self.0[places[at]]);
        Ok(Arc::new(BooleanArray::new(picked, nulls)))
    }
}

/// Texts or byte strings, end to end.
pub struct Strings<B> {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    kind: std::marker::PhantomData<fn(B)>,
}

impl<B> Default for Strings<B> {
    fn default() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), kind: std::marker::PhantomData }
    }
}

impl<B> Strings<B> {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len() as u32);
    }
}

impl<B: ByteArrayType<Offset = i32>> Cells for Strings<B> {
    fn skip(&mut self) {
        self.push(&[]);
    }

    fn array(
        &self,
        places: &[usize],
        kind: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        if *kind != B::DATA_TYPE {
            return Err(unfit("strings", kind));
        }
        check(self.bytes.len())?;
        let piece = |place: usize| begin(&self.ends, place)..self.ends[place] as usize;
        let lengths = OffsetBuffer::<i32>::from_lengths(places.iter().map(|&place| piece(place).len()));
        let mut picked = Vec::with_capacity(lengths.last().map_or(0, |end| end.as_usize()));
        for &place in places {
            picked.extend_from_slice(&self.bytes[piece(place)]);
        }
        Ok(Arc::new(GenericByteArray::<B>::try_new(lengths, Buffer::from_vec(picked), nulls)?))
    }
}

/// Values that may be missing.
#[derive(Default)]
pub struct Optional<C> {
    is_there: Vec<bool>,
    cells: C,
}

impl<C: Cells> Cells for Optional<C> {
    fn skip(&mut self) {
        self.is_there.push(false);
        self.cells.skip();
    }

    fn array(
        &self,
        places: &[usize],
        kind: &DataType,
        outer: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        let is_there = BooleanBuffer::collect_bool(places.len(), |at| self.is_there[places[at]]);
        let nulls = NullBuffer::union(outer.as_ref(), Some(&NullBuffer::new(is_there)));
        self.cells.array(places, kind, nulls.filter(|nulls| nulls.null_count() > 0))
    }
}

/// Lists, end to end.
#[derive(Default)]
pub struct Lists<C> {
    items: C,
    items_len: usize,
    ends: Vec<u32>,
}

impl<C: Cells> Cells for Lists<C> {
    fn skip(&mut self) {
        self.ends.push(self.items_len as u32);
    }

    fn array(
        &self,
        places: &[usize],
        kind: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        let DataType::List(item) = kind else { return Err(unfit("lists", kind)) };
        check(self.items_len)?;
        let mut items = Vec::new();
        let lengths = OffsetBuffer::from_lengths(places.iter().map(|&place| {
            let piece = begin(&self.ends, place)..self.ends[place] as usize;
            items.extend(piece.clone());
            piece.len()
        }));
        let items = self.items.array(&items, item.data_type(), None)?;
        Ok(Arc::new(ListArray::try_new(Arc::clone(item), lengths, items, nulls)?))
    }
}

/// Where what stands at a place begins: where what stands before it ends.
fn begin(ends: &[u32], place: usize) -> usize {
    place.checked_sub(1).map_or(0, |before| ends[before] as usize)
}

/// Arrow counts what stands end to end in 31 bits.
fn check(length: usize) -> Result<(), ArrowError> {
    match i32::try_from(length) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(ArrowError::InvalidArgumentError(format!("a column of {length} is too long for a chunk")))
        }
    }
}

fn unfit(cells: &str, kind: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("{cells} are no {kind}"))
}

/// The columns of a row, one after the other, as its schema has them.
pub(crate) struct Group<'a> {
    places: &'a [usize],
    fields: Iter<'a, FieldRef>,
    arrays: Vec<ArrayRef>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(places: &'a [usize], kind: &'a DataType) -> Result<Self, ArrowError> {
        let DataType::Struct(fields) = kind else { return Err(unfit("rows", kind)) };
        Ok(Self { places, fields: fields.iter(), arrays: Vec::with_capacity(fields.len()) })
    }

    pub(crate) fn column(&mut self, name: &str, cells: &impl Cells) -> Result<(), ArrowError> {
        let field = self.fields.next().filter(|field| field.name() == name);
        let field = field.ok_or_else(|| ArrowError::SchemaError(format!("{name} is not in its place")))?;
        self.arrays.push(cells.array(self.places, field.data_type(), None)?);
        Ok(())
    }

    pub(crate) fn array(self, kind: &DataType, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let DataType::Struct(fields) = kind else { return Err(unfit("rows", kind)) };
        let array = StructArray::try_new_with_length(fields.clone(), self.arrays, nulls, self.places.len())?;
        Ok(Arc::new(array))
    }
}

/// Columns of a row's fields: one for each, in the order of its table.
macro_rules! cells {
    ($(#[$meta:meta])* $cells:ident $([$param:ident])? of $row:ty { $($field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        pub struct $cells $(<$param: $crate::cells::Cell>)? {
            $($field: <$type as $crate::cells::Cell>::Cells,)*
        }

        impl $(<$param: $crate::cells::Cell>)? Default for $cells $(<$param>)? {
            fn default() -> Self {
                Self { $($field: Default::default(),)* }
            }
        }

        impl $(<$param: $crate::cells::Cell>)? $crate::cells::Cells for $cells $(<$param>)? {
            fn skip(&mut self) {
                $($crate::cells::Cells::skip(&mut self.$field);)*
            }

            fn array(
                &self,
                places: &[usize],
                kind: &arrow::datatypes::DataType,
                nulls: Option<arrow::buffer::NullBuffer>,
            ) -> Result<arrow::array::ArrayRef, arrow::error::ArrowError> {
                let mut group = $crate::cells::Group::new(places, kind)?;
                $(group.column(stringify!($field), &self.$field)?;)*
                group.array(kind, nulls)
            }
        }

        impl $(<$param: $crate::cells::Cell>)? $crate::cells::Cell for $row {
            type Cells = $cells $(<$param>)?;

            fn put(&self, cells: &mut Self::Cells) {
                // Names every field, so that none can be forgotten.
                let Self { $($field,)* } = self;
                $($crate::cells::Cell::put($field, &mut cells.$field);)*
            }
        }
    };
}
pub(crate) use cells;

macro_rules! numbers {
    ($($native:ty: $arrow:ty,)*) => {$(
        impl Cell for $native {
            type Cells = Numbers<$arrow>;

            fn put(&self, cells: &mut Self::Cells) {
                cells.0.push(*self);
            }
        }
    )*};
}

numbers! {
    u16: UInt16Type,
    u32: UInt32Type,
    u64: UInt64Type,
    crate::Micros: TimestampMicrosecondType,
}

impl Cell for bool {
    type Cells = Flags;

    fn put(&self, cells: &mut Flags) {
        cells.0.push(*self);
    }
}

macro_rules! texts {
    ($($text:ty,)*) => {$(
        impl Cell for $text {
            type Cells = Strings<Utf8Type>;

            fn put(&self, cells: &mut Self::Cells) {
                cells.push(self.as_bytes());
            }
        }
    )*};
}

texts! { &str, String, Arc<str>, crate::Text, }

impl Cell for ByteBuf {
    type Cells = Strings<BinaryType>;

    fn put(&self, cells: &mut Self::Cells) {
        cells.push(self);
    }
}

impl<T: Cell> Cell for Option<T> {
    type Cells = Optional<T::Cells>;

    fn put(&self, cells: &mut Self::Cells) {
        cells.is_there.push(self.is_some());
        match self {
            Some(value) => value.put(&mut cells.cells),
            None => cells.cells.skip(),
        }
    }
}

impl<T: Cell> Cell for Vec<T> {
    type Cells = Lists<T::Cells>;

    fn put(&self, cells: &mut Self::Cells) {
        for item in self {
            item.put(&mut cells.items);
        }
        cells.items_len += self.len();
        cells.ends.push(cells.items_len as u32);
    }
}
