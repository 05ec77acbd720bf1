//! A store in memory that fails where a test wants it to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Object, ReadObjects, Store, StoreError};

/// How one operation of a [`MemStore`] fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error, and nothing happened.
    Before,
    /// An error, though all of it happened.
    After,
}

/// A log in memory, for tests. Clones share what they hold: two of them are two writers of one log.
///
/// Every operation has a number, counted from 0 over all clones; each object that is staged or
/// promoted is an operation of its own, so that every point at which a process can die is one
/// between two operations.
#[derive(Debug, Clone, Default)]
pub struct MemStore {
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Clone, Default)]
struct Held {
    head: Option<Vec<u8>>,
    objects: BTreeMap<String, Vec<u8>>,
    stages: BTreeMap<String, Stage>,
    operations: Vec<String>,
    faults: BTreeMap<usize, Fault>,
    dead: bool,
}

#[derive(Debug, Clone, Default)]
struct Stage {
    objects: Vec<Object>,
    whole: bool,
}

impl MemStore {
    /// An empty store that does not fail.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the operation of this number fail.
    pub fn fail_at(&self, operation: usize, fault: Fault) {
        self.held().faults.insert(operation, fault);
    }

    /// Makes every operation from now on fail without effect, as if the process had died.
    pub fn kill(&self) {
        self.held().dead = true;
    }

    /// What was done so far, as `verb path`; the position is the number of the operation.
    pub fn operations(&self) -> Vec<String> {
        self.held().operations.clone()
    }

    /// A store of its own with the same content, and without faults: what a restart finds.
    pub fn snapshot(&self) -> Self {
        let mut copy = self.held().clone();
        copy.faults.clear();
        copy.operations.clear();
        copy.dead = false;
        Self {
            held: Arc::new(Mutex::new(copy)),
        }
    }

    /// The paths of all objects, in order.
    pub fn paths(&self) -> Vec<String> {
        self.held().objects.keys().cloned().collect()
    }

    /// Puts bytes under a path behind the log's back: an attack, or damage. `None` removes them.
    pub fn tamper(&self, path: &str, bytes: Option<&[u8]>) {
        let mut held = self.held();
        match bytes {
            Some(bytes) => held.objects.insert(path.to_owned(), bytes.to_vec()),
            None => held.objects.remove(path),
        };
    }

    /// Puts a head behind the log's back.
    pub fn tamper_head(&self, head: Option<&[u8]>) {
        self.held().head = head.map(<[u8]>::to_vec);
    }

    /// Changes the staged objects behind the log's back.
    pub fn tamper_stages(&self, mut change: impl FnMut(&mut Vec<Object>)) {
        for stage in self.held().stages.values_mut() {
            change(&mut stage.objects);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Every change below is one call into a map.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One operation: counted, failed if the test wants it, and done.
    fn operate<T>(
        &self,
        verb: &'static str,
        path: &str,
        effect: impl FnOnce(&mut Held) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut held = self.held();
        let number = held.operations.len();
        held.operations.push(format!("{verb} {path}"));
        let failed = || StoreError::io(verb, path, io::Error::other("injected"));
        let fault = held.faults.get(&number).copied();
        if held.dead || fault == Some(Fault::Before) {
            return Err(failed());
        }
        let done = effect(&mut held);
        match fault {
            Some(_) => Err(failed()),
            None => done,
        }
    }
}

impl ReadObjects for MemStore {
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.operate("get", path, |held| Ok(held.objects.get(path).cloned()))
    }
}

impl Store for MemStore {
    fn head(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.operate("head", "", |held| Ok(held.head.clone()))
    }

    fn swap_head(&self, expected: Option<&[u8]>, new: &[u8]) -> Result<(), StoreError> {
        self.operate("swap", "", |held| {
            if held.head.as_deref() != expected {
                return Err(StoreError::HeadMoved);
            }
            held.head = Some(new.to_vec());
            Ok(())
        })
    }

    fn stage(&self, name: &str, objects: &[Object]) -> Result<(), StoreError> {
        self.operate("stage", name, |held| {
            held.stages.insert(name.to_owned(), Stage::default());
            Ok(())
        })?;
        for object in objects {
            self.operate("stage", &object.path, |held| {
                let stage = held.stages.entry(name.to_owned()).or_default();
                stage.objects.push(object.clone());
                Ok(())
            })?;
        }
        self.operate("stage", "end", |held| {
            held.stages.entry(name.to_owned()).or_default().whole = true;
            Ok(())
        })
    }

    fn staged(&self, name: &str) -> Result<Option<Vec<Object>>, StoreError> {
        self.operate("staged", name, |held| match held.stages.get(name) {
            Some(stage) if stage.whole => Ok(Some(stage.objects.clone())),
            Some(_) | None => Ok(None),
        })
    }

    fn staged_names(&self) -> Result<Vec<String>, StoreError> {
        self.operate("stages", "", |held| {
            Ok(held.stages.keys().cloned().collect())
        })
    }

    fn promote(&self, _name: &str, objects: &[Object]) -> Result<(), StoreError> {
        for object in objects {
            self.operate("promote", &object.path, |held| {
                let path = object.path.clone();
                let there = held
                    .objects
                    .entry(path)
                    .or_insert_with(|| object.bytes.clone());
                if *there == object.bytes {
                    return Ok(());
                }
                Err(StoreError::Conflict {
                    path: object.path.clone(),
                })
            })?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.operate("sync", "", |_| Ok(()))
    }

    fn unstage(&self, name: &str) -> Result<(), StoreError> {
        self.operate("unstage", name, |held| {
            held.stages.remove(name);
            Ok(())
        })
    }

    fn publish(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.operate("publish", path, |held| {
            held.objects.insert(path.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    fn remove_partials(&self, path: &str) -> Result<(), StoreError> {
        let partials = format!("{path}.p/");
        self.operate("remove", &partials, |held| {
            held.objects.retain(|path, _| !path.starts_with(&partials));
            Ok(())
        })
    }
}
