//! Many small files of a day become few large ones.
//!
//! Files are merged in the order of the log, so rows keep it. A merge is one commit: a crash before it
//! leaves the small files, a crash behind it the large one. Queries that began before read the small
//! ones to their end.

use crate::manifest::FileMeta;
use crate::store::{Store, WriteError, lock};

/// Files of about the same size that are merged at once.
const MERGE_FILES: usize = 8;
/// Rows of a file that is merged no more.
const FILE_ROWS_MAX: u64 = 2_097_152;

impl Store {
    /// Merges files once, if there is anything to merge; says whether it did. Answers stay the same.
    ///
    /// Takes memory for one row group, however large the files are.
    ///
    /// # Errors
    /// [`WriteError`]; the files are as they were.
    pub fn compact(&self) -> Result<bool, WriteError> {
        let _compacting = lock(&self.shared.compacting);
        let files = self.shared.files();
        let Some(chosen) = choose(&files) else {
            return Ok(false);
        };
        let new = self.shared.rewrite(&chosen, 0)?;
        let gone: Vec<String> = chosen.iter().map(|file| file.path.clone()).collect();
        self.shared.commit(0, move |next| {
            next.replace(&gone, new.into_iter().collect());
            None
        })?;
        Ok(true)
    }
}

/// The next files to merge: neighbours of one day. Of a day that is over, all; of the newest, such as
/// are about the same size, so that no row is written again more than a few times.
fn choose(files: &[FileMeta]) -> Option<Vec<FileMeta>> {
    let newest = files.iter().filter_map(|file| file.day).max();
    for day in files.chunk_by(|a, b| a.day == b.day) {
        let over = day
            .first()
            .is_some_and(|file| file.day.is_some() && file.day != newest);
        let same = |a: &FileMeta, b: &FileMeta| over || class(a) == class(b);
        let small: Vec<&[FileMeta]> = day
            .chunk_by(|a, b| a.rows < FILE_ROWS_MAX && b.rows < FILE_ROWS_MAX && same(a, b))
            .collect();
        for run in small {
            let taken = fitting(run);
            let wanted = if over { 2 } else { MERGE_FILES };
            if taken.len() >= wanted {
                return Some(taken.to_vec());
            }
        }
    }
    None
}

/// Files from the front of a run that fit into one.
fn fitting(run: &[FileMeta]) -> &[FileMeta] {
    let mut rows = 0_u64;
    let fits = run.iter().take_while(|file| {
        rows = rows.saturating_add(file.rows);
        rows <= FILE_ROWS_MAX
    });
    let fits = fits.count();
    run.get(..fits).unwrap_or(run)
}

/// Files of one class differ eightfold at most.
const fn class(file: &FileMeta) -> u32 {
    match file.rows.checked_ilog2() {
        Some(log) => log / 3,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(day: i32, first: u64, rows: u64) -> FileMeta {
        FileMeta {
            path: format!("{day}/{first}"),
            day: Some(day),
            first,
            end: first + rows,
            rows,
            bytes: rows,
            times: None,
        }
    }

    #[test]
    fn a_day_that_is_over_becomes_one_file_and_the_newest_waits() {
        let mut files = vec![file(1, 0, 1_000), file(1, 1_000, 10), file(2, 1_010, 5)];
        files.push(file(2, 1_015, 5));
        let chosen = choose(&files).unwrap();
        assert_eq!(chosen.len(), 2);
        assert!(chosen.iter().all(|file| file.day == Some(1)));
        assert_eq!(choose(&files[2..]), None);
    }

    #[test]
    fn files_of_a_size_are_merged_when_there_are_many_and_never_past_the_largest() {
        let many: Vec<FileMeta> = (0..8).map(|n| file(3, n * 100, 100)).collect();
        assert_eq!(choose(&many).map(|files| files.len()), Some(8));
        let mut large = vec![file(3, 0, 2_000_000), file(3, 2_000_000, 1_000_000)];
        large.push(file(4, 3_000_000, 1));
        assert_eq!(choose(&large), None, "together they are too large");
    }
}
