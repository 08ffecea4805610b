//! Reading files of which the disk does not give every byte.

use std::io;

use crate::error::{Error, Result};
use crate::storage::fs::{File, FileSystem, Mapping, ReadMode};

/// How much is read at once, and how much where that fails: the sector of a disk.
const PIECES: [usize; 2] = [64 << 10, 4 << 10];

/// All bytes of the file `name`, zeros where the disk refuses to give them: whatever has a checksum there fails it.
///
/// Every byte is read before anything is mapped, because a mapped sector that cannot be read ends the program. Where one
/// cannot be, the file is kept in memory.
pub(crate) fn read(fs: &dyn FileSystem, name: &str) -> Result<Mapping> {
    let failed = |error| Error::io("read a file", name, error);
    let file = fs.open(name).map_err(failed)?;
    let length = file.length().map_err(failed)?;
    if is_readable(&*file, length) {
        return fs.map(name, length, ReadMode::Mmap).map_err(failed);
    }
    let bytes = usize::try_from(length).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
    let filled = Mapping::filled(bytes, |buffer| {
        fill_from_start(&*file, buffer);
        Ok(())
    });
    filled.map_err(failed)
}

fn is_readable(file: &dyn File, length: u64) -> bool {
    let mut buffer = vec![0; PIECES[0]];
    (0..length).step_by(PIECES[0]).all(|at| {
        let count = (length - at).min(PIECES[0] as u64) as usize;
        file.read_exact_at(&mut buffer[..count], at).is_ok()
    })
}

/// Reads into `buffer` what the disk gives of the beginning of a file, and zeros where it refuses.
pub(crate) fn fill_from_start(file: &dyn File, buffer: &mut [u8]) {
    fill(file, buffer, 0, &PIECES);
}

/// Reads into `buffer`, which begins at `at`, piece by piece, and each piece that fails in smaller ones.
fn fill(file: &dyn File, buffer: &mut [u8], at: u64, pieces: &[usize]) {
    let Some((size, smaller)) = pieces.split_first() else {
        // What a read that failed left there is nothing.
        buffer.fill(0);
        return;
    };
    for (number, piece) in buffer.chunks_mut(*size).enumerate() {
        let at = at + (number * size) as u64;
        if file.read_exact_at(piece, at).is_err() {
            fill(file, piece, at, smaller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::{Fault, SimulatedFs};

    #[test]
    fn a_sector_that_cannot_be_read_is_zeros_and_the_rest_is_there() {
        let content: Vec<u8> = (0..200_000u32).map(|at| at as u8 | 1).collect();
        let fs = SimulatedFs::new(1);
        fs.create_new("a").unwrap().write_at(&content, 0).unwrap();
        assert_eq!(&*read(&fs, "a").unwrap(), &content[..]);
        // The second piece fails twice, and of it the third sector.
        let next = fs.reads();
        for at_read in [next + 1, next + 3, next + 6] {
            fs.inject(Fault::ReadFails { at_read });
        }
        let hole = (64 << 10) + (2 << 12)..(64 << 10) + (3 << 12);
        let mut expected = content;
        expected[hole].fill(0);
        assert!(*read(&fs, "a").unwrap() == expected[..]);
        assert!(read(&fs, "none").is_err());
    }
}
