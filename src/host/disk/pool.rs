//! Carries out disk requests on threads.
//!
//! Each drive has one thread, which carries out its requests one after the other, in the guest's
//! order. So the effect of a request depends only on the requests before it, and not on the host's
//! scheduling. Record and replay see the same even where requests overlap. With several threads a
//! drive, a read could see a sector before or after a write that overlaps it, and a replay could
//! see the other. virtio allows that; rr does not use that freedom. Different drives share nothing
//! and run in parallel.
//!
//! The host decides when a request is *done*. When the guest learns of it is an event of the log. A
//! recording writes that event when it takes the result from [`OnDone`]; a replay waits there with
//! [`DiskPool::wait_for`].

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

/// How long a drive is without a request before it writes out the data that it has in memory.
const REST: Duration = Duration::from_secs(1);

/// Takes a result in a recording: drive, operation, result. It is called on the drive's thread, in
/// the order in which requests are done. It must not wait for the pool.
pub type OnDone = Box<dyn Fn(u8, u64, BlockResult) + Send + Sync>;

/// The machine's disks and their threads.
///
/// Dropping the pool waits until all submitted requests are done.
#[derive(Debug)]
pub struct DiskPool {
    drives: Vec<Drive>,
    shared: Arc<Shared>,
}

/// One drive's thread.
#[derive(Debug)]
struct Drive {
    path: PathBuf,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<Disk>>,
}

enum Job {
    Request(BlockRequest),
    Digest(Sender<Result<blake3::Hash, DiskError>>),
    /// The jobs of a snapshot: write a layer, take the snapshot as whole, forget the last layer.
    Save(PathBuf, Below, Sender<Result<(), DiskError>>),
    Saved,
    Forget(PathBuf, Sender<Result<(), DiskError>>),
}

/// An operation that is done, and whose completion the guest has not seen yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The drive.
    pub drive: u8,
    /// The operation.
    pub id: u64,
    /// The bytes that were read; `None`: the request failed.
    pub done: Option<Vec<u8>>,
}

/// Where results go, and what decides which requests fail.
enum Mode {
    /// A recording: the host decides which requests fail. Results go to the callback.
    Record(OnDone),
    /// A replay: the recorded failures decide which requests fail.
    Replay(IoErrors),
}

struct Shared {
    mode: Mode,
    state: Mutex<State>,
    /// Signals that a request is done.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The submitted operations. Each has its result once it is done and until the result is taken.
    operations: BTreeMap<u64, Option<Result<BlockResult, DiskError>>>,
    /// The number of requests that are not done.
    busy: usize,
    /// The failed requests of a recording.
    errors: IoErrors,
}

impl DiskPool {
    /// Starts the threads for a recording, or for a run that is not recorded. Results go to `done`.
    ///
    /// # Errors
    /// If the host refuses a thread.
    pub fn record(disks: Vec<Disk>, done: OnDone) -> Result<Self, DiskError> {
        Self::start(disks, Mode::Record(done))
    }

    /// Starts the threads for a replay. Requests that failed in the recording fail again, in the
    /// same way, and no others may fail. [`DiskPool::wait_for`] takes the results.
    ///
    /// # Errors
    /// If the host refuses a thread.
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
    /// An unknown drive, or an operation's number that is in use. Both are faults of the caller.
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
        // The thread ends only when its queue does, because it catches panics in a request.
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

    /// In a replay: true if the operation was submitted and its result is not taken yet.
    pub fn has(&self, id: u64) -> bool {
        self.shared.lock().operations.contains_key(&id)
    }

    /// In a replay: waits until an operation is done, and takes its result. A result can be taken
    /// once.
    ///
    /// # Errors
    /// If the operation was never submitted, or if the replay's own disk failed and the recording's
    /// disk did not.
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

    /// Waits until all submitted requests are done, as a snapshot needs it.
    pub fn wait_idle(&self) {
        let mut state = self.shared.lock();
        while state.busy > 0 {
            state = self.shared.wait(state);
        }
    }

    /// In a replay: the operations that are done and whose results are not taken, for a snapshot.
    ///
    /// # Errors
    /// If one of them failed that did not fail in the recording.
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

    /// In a replay from a snapshot: restores the operations that were pending there.
    pub fn expect(&self, pending: Vec<Pending>) {
        let mut state = self.shared.lock();
        for Pending { id, done, .. } in pending {
            let result = done.map_or(BlockResult::Error, BlockResult::Done);
            state.operations.insert(id, Some(Ok(result)));
        }
    }

    /// Writes the drive's changes since the last snapshot into a new layer. Call
    /// [`DiskPool::saved`] once the snapshot is whole.
    ///
    /// # Errors
    /// If the drive is unknown, or the layer cannot be written.
    pub fn save(&self, drive: u8, place: &Path, below: &Below) -> Result<(), DiskError> {
        self.ask(drive, |answer| {
            Job::Save(place.to_owned(), below.clone(), answer)
        })
    }

    /// Marks the snapshot as whole: later changes belong to the next one.
    pub fn saved(&self) {
        for drive in &self.drives {
            if let Some(jobs) = &drive.jobs {
                // If a drive's thread has ended, the next request reports that.
                let _ = jobs.send(Job::Saved);
            }
        }
    }

    /// Forgets the last snapshot. `layer` is its layer of this drive.
    ///
    /// # Errors
    /// If the drive is unknown, or the layer cannot be read.
    pub fn forget(&self, drive: u8, layer: &Path) -> Result<(), DiskError> {
        self.ask(drive, |answer| Job::Forget(layer.to_owned(), answer))
    }

    /// Sends a job to the drive's thread, behind all submitted requests, and waits for its answer.
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

    /// Drops all failures but those of these operations, for a replay that goes back in time.
    pub fn keep_io_errors(&self, ids: &[u64]) {
        self.shared.lock().errors.keep(ids);
    }

    /// All failures so far, for [`IoErrors::save`]. A failure is in here before the result is
    /// handed over.
    pub fn io_errors(&self) -> IoErrors {
        self.shared.lock().errors.clone()
    }

    /// The digest of a drive's content after all submitted requests; see [`Disk::content_digest`].
    ///
    /// # Errors
    /// If the drive is unknown, or cannot be read.
    pub fn content_digest(&self, drive: u8) -> Result<blake3::Hash, DiskError> {
        self.ask(drive, Job::Digest)
    }

    /// Carries out the submitted requests, ends the threads, and gives the disks back.
    ///
    /// # Errors
    /// If a thread has panicked.
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
                // An error on closing is lost here; `finish` and `Disk::close` report it.
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

    /// The loop of a drive's thread.
    fn work(&self, mut disk: Disk, queue: &Receiver<Job>) -> Disk {
        loop {
            let job = if disk.wants_rest() {
                match queue.recv_timeout(REST) {
                    Err(RecvTimeoutError::Timeout) => {
                        // A failure here is found again, and reported, by the next request.
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
                // The receiver may be gone.
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

/// Carries out a request, and gives the failure to keep if the host failed.
pub(crate) fn by_host(disk: &mut Disk, request: &BlockRequest) -> (BlockResult, Option<IoError>) {
    match guarded(disk, |disk| disk.carry_out(&request.op)) {
        Ok(bytes) => (BlockResult::Done(bytes), None),
        Err(Failure::Refused) => (BlockResult::Error, None),
        Err(Failure::Host(error)) => (BlockResult::Error, Some(failed(disk, request, error))),
    }
}

/// The failure to keep of a request that the host failed.
fn failed(disk: &mut Disk, request: &BlockRequest, error: io::Error) -> IoError {
    let applied = guarded(disk, |disk| Ok(disk.applied(&request.op)?));
    IoError {
        drive: request.drive,
        id: request.id,
        reason: OsError::from(error).to_string(),
        applied: applied.unwrap_or_default(),
    }
}

/// Carries out a request in which a simulated host fails after `part`.
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

/// The drive of an operation, from its number; see [`BlockRequest::id`].
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

/// Turns a panic in the code of an image format into an error, so that it neither ends the thread
/// nor leaves a caller waiting. The disk takes no requests after a panic.
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
