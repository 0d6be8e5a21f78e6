//! Jobs: work that a command starts and that ends later.

use crate::error::{Error, chain};
use crate::monitor::Events;
use crate::monitor::generated::{Event, JobInfo, JobStatus, JobType};
use crate::monitor::visit::CommandError;
use crate::session::control::{Control, Status};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Job {
    id: String,
    kind: JobType,
    status: JobStatus,
    error: Option<String>,
}

/// All jobs, in the order in which they were made. They are under a lock because the vCPU thread
/// ends them. The lock is held only for a look or a change.
#[derive(Debug, Clone, Default)]
pub(super) struct Jobs {
    jobs: Arc<Mutex<Vec<Job>>>,
    events: Events,
}

impl Jobs {
    pub(super) fn new(events: Events) -> Self {
        Self {
            jobs: Arc::default(),
            events,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a job. The returned reply ends it.
    pub(super) fn begin(
        &self,
        id: &str,
        kind: JobType,
    ) -> Result<impl FnOnce(Result<(), Error>) + Send + 'static, CommandError> {
        let letters = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !id.starts_with(|c: char| c.is_ascii_alphabetic()) || !id.chars().all(letters) {
            let description = format!("Invalid job ID '{id}'");
            return Err(CommandError::generic(description));
        }
        let mut jobs = self.lock();
        if jobs.iter().any(|job| job.id == id) {
            let description = format!("Job ID '{id}' already in use");
            return Err(CommandError::generic(description));
        }
        jobs.push(Job {
            id: id.to_owned(),
            kind,
            status: JobStatus::Created,
            error: None,
        });
        drop(jobs);
        self.tell(id, JobStatus::Created);
        self.change(id, JobStatus::Running, None);
        let (jobs, id) = (self.clone(), id.to_owned());
        Ok(move |result: Result<(), Error>| {
            let error = result.err().map(|error| chain(&error));
            if error.is_some() {
                jobs.change(&id, JobStatus::Aborting, error);
            }
            jobs.change(&id, JobStatus::Concluded, None);
        })
    }

    fn change(&self, id: &str, status: JobStatus, error: Option<String>) {
        if let Some(job) = self.lock().iter_mut().find(|job| job.id == id) {
            job.status = status;
            job.error = error.or(job.error.take());
        }
        self.tell(id, status);
    }

    fn tell(&self, id: &str, status: JobStatus) {
        let id = id.to_owned();
        self.events.tell(&Event::JobStatusChange { id, status });
    }

    pub(super) fn list(&self, control: &Control) -> Vec<JobInfo> {
        let status = control.status();
        let info = |job: &Job| {
            let (current_progress, total_progress) = progress(job, &status);
            JobInfo {
                id: job.id.clone(),
                r#type: job.kind,
                status: job.status,
                current_progress,
                total_progress,
                error: job.error.clone(),
            }
        };
        self.lock().iter().map(info).collect()
    }

    pub(super) fn dismiss(&self, id: &str) -> Result<(), CommandError> {
        let mut jobs = self.lock();
        let Some(at) = jobs.iter().position(|job| job.id == id) else {
            return Err(CommandError::generic("Job not found"));
        };
        if jobs[at].status != JobStatus::Concluded {
            let status = jobs[at].status.name();
            let description =
                format!("Job '{id}' in state '{status}' cannot accept command verb 'dismiss'");
            return Err(CommandError::generic(description));
        }
        jobs.remove(at);
        drop(jobs);
        self.tell(id, JobStatus::Null);
        Ok(())
    }
}

/// The progress of a job, in instructions: how much is done, and how much it is in all.
fn progress(job: &Job, status: &Status) -> (i64, i64) {
    match (job.status, status.work) {
        (JobStatus::Concluded, _) if job.error.is_none() => (1, 1),
        (JobStatus::Running, Some((_, from, to))) if to > from => {
            let done = status.icount.clamp(from, to) - from;
            (super::oob::number(done), super::oob::number(to - from))
        }
        _ => (0, 1),
    }
}
