//! Requests to disks, carried out on threads.
//!
//! Each drive has one thread, which does its requests one after the other, in the order in which the guest asked. So what
//! a request reads or leaves on the disk is a function of the requests before it, however the host schedules:
//! record and replay see the same also where requests overlap. (With several threads a drive, a
//! read of a sector that is being written could see either state, and a replay the other. virtio lets a disk do so; we do
//! not use that freedom.) Different drives have nothing in common and run in parallel.
//!
//! When a request is *done* here depends on the host. When the guest learns of it is an event of the log: in a recording the
//! event is written where the result was taken from [`OnDone`], in a replay [`DiskPool::wait_for`] waits there.

use super::request::Failure;
use super::{Below, Disk, DiskError, IoError, IoErrors};
use crate::host::OsError;
use machine::inputs::{BlockRequest, BlockResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// After so long without a request, a disk writes out what it has in memory.
const REST: Duration = Duration::from_secs(1);

/// Takes the results of a recording: drive, operation, result. Called on the drive's thread, in the order in which requests are
/// done; it must not wait for the pool.
pub type OnDone = Box<dyn Fn(u8, u64, BlockResult) + Send + Sync>;

/// The disks of a machine, at work.
///
/// Dropping it waits until everything is done that was asked for.
#[derive(Debug)]
pub struct DiskPool {
    drives: Vec<Drive>,
    shared: Arc<Shared>,
}

/// The thread of a drive.
#[derive(Debug)]
struct Drive {
    path: PathBuf,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<Disk>>,
}

enum Job {
    Request(BlockRequest),
    Digest(Sender<Result<blake3::Hash, DiskError>>),
    /// For a snapshot: a layer is written, the layer is good, the last layer is forgotten.
    Save(PathBuf, Below, Sender<Result<(), DiskError>>),
    Saved,
    Forget(PathBuf, Sender<Result<(), DiskError>>),
}

/// An operation that is done, and of which the guest has yet to hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The drive.
    pub drive: u8,
    /// The operation.
    pub id: u64,
    /// What was read; `None`: it failed.
    pub done: Option<Vec<u8>>,
}

/// Where results go, and where failures come from.
enum Mode {
    /// The host decides what fails.
    Record(OnDone),
    /// The recording decides what fails.
    Replay(IoErrors),
}

struct Shared {
    mode: Mode,
    state: Mutex<State>,
    /// Something was done.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What was asked for; with its result, where it is done and nobody has taken that yet.
    operations: BTreeMap<u64, Option<Result<BlockResult, DiskError>>>,
    /// Requests that are not done.
    busy: usize,
    /// What failed, in a recording.
    errors: IoErrors,
}

impl DiskPool {
    /// Starts the threads for a recording, or for a run without one. Results go to `done`.
    ///
    /// # Errors
    /// If the host gives no thread.
    pub fn record(disks: Vec<Disk>, done: OnDone) -> Result<Self, DiskError> {
        Self::start(disks, Mode::Record(done))
    }

    /// Starts the threads for a replay: what failed when it was recorded fails again, in the same way, and nothing
    /// else may fail. Results wait for [`DiskPool::wait_for`].
    ///
    /// # Errors
    /// If the host gives no thread.
    pub fn replay(disks: Vec<Disk>, errors: IoErrors) -> Result<Self, DiskError> {
        Self::start(disks, Mode::Replay(errors))
    }

    fn start(disks: Vec<Disk>, mode: Mode) -> Result<Self, DiskError> {
        let shared = Arc::new(Shared {
            mode,
            state: Mutex::default(),
            done: Condvar::new(),
        });
        let mut drives = Vec::new();
        for (number, disk) in disks.into_iter().enumerate() {
            let path = disk.path();
            let (jobs, queue) = channel();
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("rr-disk-{number}"));
            let thread = thread.spawn(move || shared.work(disk, &queue));
            let thread = thread.map_err(DiskError::io(&path, "start its thread"))?;
            drives.push(Drive {
                path,
                jobs: Some(jobs),
                thread: Some(thread),
            });
        }
        Ok(Self { drives, shared })
    }

    /// Queues a request.
    ///
    /// # Errors
    /// A drive that is not there, or a number that is in use; both are faults of the caller.
    pub fn submit(&self, request: BlockRequest) -> Result<(), DiskError> {
        let (drive, id) = (request.drive, request.id);
        let none = || DiskError::NoDrive { drive, id };
        let found = self.drives.get(usize::from(drive)).ok_or_else(none)?;
        let mut state = self.shared.lock();
        if state.operations.contains_key(&id) {
            let what = "was submitted twice";
            return Err(DiskError::Operation { id, what });
        }
        state.operations.insert(id, None);
        state.busy += 1;
        drop(state);
        // The thread ends only when the queue does: it catches what goes wrong in a request.
        let sent = found
            .jobs
            .as_ref()
            .map(|jobs| jobs.send(Job::Request(request)));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => {
                let mut state = self.shared.lock();
                state.operations.remove(&id);
                state.busy -= 1;
                Err(none())
            }
        }
    }

    /// In a replay: whether an operation was submitted, and its result is not taken yet.
    pub fn has(&self, id: u64) -> bool {
        self.shared.lock().operations.contains_key(&id)
    }

    /// In a replay: waits until an operation is done, and takes its result. Each can be taken once.
    ///
    /// # Errors
    /// If it was never submitted, or the replay's own disk failed where the recording's had not.
    pub fn wait_for(&self, id: u64) -> Result<BlockResult, DiskError> {
        let mut state = self.shared.lock();
        loop {
            match state.operations.get_mut(&id).map(Option::take) {
                None => {
                    let what = "was not submitted, or taken before";
                    return Err(DiskError::Operation { id, what });
                }
                Some(Some(result)) => {
                    state.operations.remove(&id);
                    return result;
                }
                Some(None) => state = self.shared.wait(state),
            }
        }
    }

    /// Waits until everything is done that was submitted: for a snapshot.
    pub fn wait_idle(&self) {
        let mut state = self.shared.lock();
        while state.busy > 0 {
            state = self.shared.wait(state);
        }
    }

    /// In a replay: what is done and not yet taken, for a snapshot.
    ///
    /// # Errors
    /// If one of these failed that had not when it was recorded.
    pub fn pending(&self) -> Result<Vec<Pending>, DiskError> {
        self.wait_idle();
        let mut state = self.shared.lock();
        let mut pending = Vec::new();
        for (&id, result) in &mut state.operations {
            let done = match result {
                Some(Ok(BlockResult::Done(bytes))) => Some(bytes.clone()),
                Some(Ok(BlockResult::Error)) => None,
                Some(Err(_)) | None => return self.failed(result.take(), id),
            };
            let drive = drive_of(id);
            pending.push(Pending { drive, id, done });
        }
        Ok(pending)
    }

    fn failed<T>(
        &self,
        result: Option<Result<BlockResult, DiskError>>,
        id: u64,
    ) -> Result<T, DiskError> {
        match result {
            Some(Err(error)) => Err(error),
            _ => Err(DiskError::Operation {
                id,
                what: "is not done, though nothing is busy",
            }),
        }
    }

    /// In a replay from a snapshot: what was pending there.
    pub fn expect(&self, pending: Vec<Pending>) {
        let mut state = self.shared.lock();
        for Pending { id, done, .. } in pending {
            let result = done.map_or(BlockResult::Error, BlockResult::Done);
            state.operations.insert(id, Some(Ok(result)));
        }
    }

    /// Writes what has changed on a drive since the last snapshot into a new layer; see [`DiskPool::saved`].
    ///
    /// # Errors
    /// If there is no such drive, or the layer cannot be written.
    pub fn save(&self, drive: u8, place: &Path, below: &Below) -> Result<(), DiskError> {
        self.ask(drive, |answer| {
            Job::Save(place.to_owned(), below.clone(), answer)
        })
    }

    /// The snapshot is whole: what changes from now on belongs to the next one.
    pub fn saved(&self) {
        for drive in &self.drives {
            if let Some(jobs) = &drive.jobs {
                // A drive whose thread has ended will be heard of with the next request.
                let _ = jobs.send(Job::Saved);
            }
        }
    }

    /// The last snapshot, of which this is a drive's layer, is forgotten.
    ///
    /// # Errors
    /// If there is no such drive, or the layer cannot be read.
    pub fn forget(&self, drive: u8, layer: &Path) -> Result<(), DiskError> {
        self.ask(drive, |answer| Job::Forget(layer.to_owned(), answer))
    }

    /// Has a drive's thread do something after everything submitted before, and waits for it.
    fn ask<T>(
        &self,
        drive: u8,
        job: impl FnOnce(Sender<Result<T, DiskError>>) -> Job,
    ) -> Result<T, DiskError> {
        let none = || DiskError::NoDrive { drive, id: 0 };
        let found = self.drives.get(usize::from(drive)).ok_or_else(none)?;
        let (answer, result) = channel();
        match found.jobs.as_ref().map(|jobs| jobs.send(job(answer))) {
            Some(Ok(())) => result.recv().unwrap_or_else(|_| Err(none())),
            _ => Err(none()),
        }
    }

    /// Forgets the failures of all operations but these: the others have not happened yet, after all.
    pub fn keep_io_errors(&self, ids: &[u64]) {
        self.shared.lock().errors.keep(ids);
    }

    /// Everything that failed so far, for [`IoErrors::save`]. An operation is in it before its result is handed over.
    pub fn io_errors(&self) -> IoErrors {
        self.shared.lock().errors.clone()
    }

    /// The digest of a drive's content after everything submitted before; see [`Disk::content_digest`].
    ///
    /// # Errors
    /// If there is no such drive, or it cannot be read.
    pub fn content_digest(&self, drive: u8) -> Result<blake3::Hash, DiskError> {
        self.ask(drive, Job::Digest)
    }

    /// Finishes what was submitted, ends the threads, and gives the disks back.
    ///
    /// # Errors
    /// If a thread was lost.
    pub fn finish(mut self) -> Result<Vec<Disk>, DiskError> {
        let mut disks = Vec::new();
        for drive in &mut self.drives {
            drive.jobs = None;
        }
        for drive in &mut self.drives {
            let joined = drive.thread.take().map(JoinHandle::join);
            let cause = || io::Error::other("its thread ended early");
            let lost = || DiskError::io(&drive.path, "finish its requests")(cause());
            disks.push(joined.and_then(Result::ok).ok_or_else(lost)?);
        }
        Ok(disks)
    }
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        for drive in &mut self.drives {
            drive.jobs = None;
        }
        for drive in &mut self.drives {
            if let Some(thread) = drive.thread.take() {
                // An error on closing is only known to those who ask, with `finish` and `Disk::close`.
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.done
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A drive's thread.
    fn work(&self, mut disk: Disk, queue: &Receiver<Job>) -> Disk {
        loop {
            let job = if disk.wants_rest() {
                match queue.recv_timeout(REST) {
                    Err(RecvTimeoutError::Timeout) => {
                        // A fault there is found again by the next request.
                        let _ = guarded(&mut disk, |disk| {
                            disk.rest();
                            Ok(())
                        });
                        continue;
                    }
                    job => job.ok(),
                }
            } else {
                queue.recv().ok()
            };
            let Some(job) = job else {
                return disk;
            };
            match job {
                Job::Request(request) => self.request(&mut disk, &request),
                // Whoever asked may have gone.
                Job::Digest(answer) => drop(answer.send(disk.content_digest())),
                Job::Save(place, below, answer) => drop(answer.send(disk.save(&place, &below))),
                Job::Saved => disk.saved(),
                Job::Forget(layer, answer) => drop(answer.send(disk.forget(&layer))),
            }
        }
    }

    fn request(&self, disk: &mut Disk, request: &BlockRequest) {
        let BlockRequest { drive, id, .. } = *request;
        let kept = match &self.mode {
            Mode::Record(done) => {
                done(drive, id, self.by_host(disk, request));
                None
            }
            Mode::Replay(errors) => Some(by_recording(disk, request, errors)),
        };
        let mut state = self.lock();
        state.busy -= 1;
        match kept {
            None => drop(state.operations.remove(&id)),
            kept => drop(state.operations.insert(id, kept)),
        }
        drop(state);
        self.done.notify_all();
    }

    fn by_host(&self, disk: &mut Disk, request: &BlockRequest) -> BlockResult {
        let (result, error) = by_host(disk, request);
        if let Some(error) = error {
            self.lock().errors.insert(error);
        }
        result
    }
}

/// Carries out a request; where the host fails, also what is to be kept of that.
pub(crate) fn by_host(disk: &mut Disk, request: &BlockRequest) -> (BlockResult, Option<IoError>) {
    match guarded(disk, |disk| disk.carry_out(&request.op)) {
        Ok(bytes) => (BlockResult::Done(bytes), None),
        Err(Failure::Refused) => (BlockResult::Error, None),
        Err(Failure::Host(error)) => (BlockResult::Error, Some(failed(disk, request, error))),
    }
}

/// What is to be kept of a request in which the host failed.
fn failed(disk: &mut Disk, request: &BlockRequest, error: io::Error) -> IoError {
    let applied = guarded(disk, |disk| Ok(disk.applied(&request.op)?));
    IoError {
        drive: request.drive,
        id: request.id,
        reason: OsError::from(error).to_string(),
        applied: applied.unwrap_or_default(),
    }
}

/// A request in which a simulated host fails, after this part of it.
#[cfg(test)]
pub(crate) fn by_failing_host(
    disk: &mut Disk,
    request: &BlockRequest,
    part: &machine::inputs::BlockOp,
) -> (BlockResult, Option<IoError>) {
    match guarded(disk, |disk| disk.carry_out(part)) {
        Err(Failure::Refused) => (BlockResult::Error, None),
        _ => {
            let error = io::Error::other("the simulated disk fails");
            (BlockResult::Error, Some(failed(disk, request, error)))
        }
    }
}

/// As the machine numbers operations: see [`BlockRequest::id`].
pub(crate) fn drive_of(id: u64) -> u8 {
    (id >> 56) as u8
}

fn by_recording(
    disk: &mut Disk,
    request: &BlockRequest,
    errors: &IoErrors,
) -> Result<BlockResult, DiskError> {
    let outcome = match errors.get(request.id) {
        Some(error) => guarded(disk, |disk| Ok(disk.apply(&request.op, &error.applied)?))
            .map(|()| BlockResult::Error),
        None => guarded(disk, |disk| disk.carry_out(&request.op)).map(BlockResult::Done),
    };
    match outcome {
        Ok(result) => Ok(result),
        Err(Failure::Refused) => Ok(BlockResult::Error),
        Err(Failure::Host(error)) => Err(DiskError::Replay {
            path: disk.path(),
            id: request.id,
            cause: error.into(),
        }),
    }
}

/// A fault in the code of an image format must neither end the thread nor leave anyone waiting for it. The disk
/// is not touched any more after one.
fn guarded<T>(
    disk: &mut Disk,
    work: impl FnOnce(&mut Disk) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(|| work(disk))) {
        Ok(done) => done,
        Err(_) => {
            disk.lost = true;
            let error = io::Error::other("the code that handles the image's format failed");
            Err(Failure::Host(error))
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
