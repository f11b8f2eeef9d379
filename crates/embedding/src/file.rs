//! The model's file: sizes, the tokenizer's pieces and normalisation, and the weights.
//!
//! All numbers are little-endian. `E5S1`, version, then width, layers, heads, inner width, pieces, longest input, token
//! types (`i32` each), the layer norms' epsilon (`f32`), weights per block (`i32`); the tokenizer: pieces, ids of begin,
//! end, padding and unknown (`i32`), bytes of the pieces (`u64`), their offsets (`u32`, one more than pieces), their
//! scores (`f32`), their bytes; code points that are replaced (`i32`), bytes of that table (`u32`), and for each the
//! code point (`u32`), how many it becomes (`u8`) and those; at last the tensors: how many (`i32`), and for each the
//! length of its name (`u16`), the name, its type (`u8`: 0 for `f32`, 8 for eight bits, else four), its numbers (`u32`), its offset and
//! its bytes (`u64`).

/// Why a model's file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("the model file is no model of this kind, or cut off")]
    Damaged,
    #[error("the model file has no tensor `{0}`")]
    Missing(String),
}

/// Reads numbers one after the other.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ModelError> {
        let end = self.at.checked_add(count).ok_or(ModelError::Damaged)?;
        let part = self.bytes.get(self.at..end).ok_or(ModelError::Damaged)?;
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        self.take(N)?.try_into().map_err(|_| ModelError::Damaged)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ModelError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ModelError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn f32(&mut self) -> Result<f32, ModelError> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    /// A number that counts something.
    pub(crate) fn count(&mut self) -> Result<usize, ModelError> {
        usize::try_from(self.u32()?).map_err(|_| ModelError::Damaged)
    }
}

/// A tensor in the file.
#[derive(Debug, Clone)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) numbers: usize,
    pub(crate) bytes: &'a [u8],
}

/// The file taken apart, nothing of it copied but small tables.
pub(crate) struct Parts<'a> {
    /// Width, layers, heads, inner width, pieces, longest input, token types.
    pub(crate) sizes: [usize; 7],
    pub(crate) epsilon: f32,
    /// Begin, end, padding, unknown.
    pub(crate) special: [u32; 4],
    pub(crate) pieces: Vec<&'a [u8]>,
    pub(crate) scores: Vec<f32>,
    pub(crate) replaced: Vec<(u32, Vec<u32>)>,
    pub(crate) tensors: Vec<Tensor<'a>>,
}

pub(crate) const MAGIC: &[u8; 4] = b"E5S1";

impl<'a> Parts<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(4)? != MAGIC || cursor.u32()? != 1 {
            return Err(ModelError::Damaged);
        }
        let mut sizes = [0; 7];
        for size in &mut sizes {
            *size = cursor.count()?;
        }
        let epsilon = cursor.f32()?;
        let block = cursor.count()?;
        let count = cursor.count()?;
        let mut special = [0; 4];
        for id in &mut special {
            *id = cursor.u32()?;
        }
        if block != crate::matrix::BLOCK || sizes[0] != crate::WIDTH || count > bytes.len() {
            return Err(ModelError::Damaged);
        }
        let length = usize::try_from(cursor.u64()?).map_err(|_| ModelError::Damaged)?;
        let mut offsets = Vec::with_capacity(count + 1);
        for _ in 0..=count {
            offsets.push(cursor.count()?);
        }
        let mut scores = Vec::with_capacity(count);
        for _ in 0..count {
            scores.push(cursor.f32()?);
        }
        let blob = cursor.take(length)?;
        let mut pieces = Vec::with_capacity(count);
        for pair in offsets.windows(2) {
            pieces.push(blob.get(pair[0]..pair[1]).ok_or(ModelError::Damaged)?);
        }
        let count = cursor.count()?;
        let _bytes = cursor.u32()?;
        let mut replaced = Vec::new();
        for _ in 0..count {
            let from = cursor.u32()?;
            let many = cursor.u8()?;
            let mut to = Vec::with_capacity(usize::from(many));
            for _ in 0..many {
                to.push(cursor.u32()?);
            }
            replaced.push((from, to));
        }
        let count = cursor.count()?;
        let mut tensors = Vec::new();
        for _ in 0..count {
            let length = usize::from(cursor.u16()?);
            let name = String::from_utf8_lossy(cursor.take(length)?).into_owned();
            let kind = cursor.u8()?;
            let numbers = cursor.count()?;
            let offset = usize::try_from(cursor.u64()?).map_err(|_| ModelError::Damaged)?;
            let length = usize::try_from(cursor.u64()?).map_err(|_| ModelError::Damaged)?;
            let end = offset.checked_add(length).ok_or(ModelError::Damaged)?;
            let bytes = bytes.get(offset..end).ok_or(ModelError::Damaged)?;
            tensors.push(Tensor { name, kind, numbers, bytes });
        }
        Ok(Self { sizes, epsilon, special, pieces, scores, replaced, tensors })
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<&Tensor<'a>, ModelError> {
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        found.ok_or_else(|| ModelError::Missing(name.to_owned()))
    }

    /// A small tensor as numbers.
    pub(crate) fn numbers(&self, name: &str, count: usize) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensor(name)?;
        let numbers: Vec<f32> = tensor
            .bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        if numbers.len() < count { Err(ModelError::Damaged) } else { Ok(numbers) }
    }
}
