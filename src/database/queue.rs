//! Group commit: callers queue up, the first leads, and a leader commits for all who wait.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::{Condvar, Mutex};

/// A leader takes about this much at most, so that nobody waits for a giant group.
const MAX_GROUP_BYTES: usize = 4 << 20;

/// Waiting requests, and whether somebody is committing. Callers block while theirs is waiting, so the queue holds at
/// most one request a thread.
#[derive(Debug)]
pub(crate) struct CommitQueue<Request, Outcome> {
    state: Mutex<State<Request, Outcome>>,
}

#[derive(Debug)]
struct State<Request, Outcome> {
    waiting: VecDeque<Arc<Ticket<Request, Outcome>>>,
    led: bool,
}

/// One caller's place in the queue.
#[derive(Debug)]
pub(crate) struct Ticket<Request, Outcome> {
    bytes: usize,
    progress: Mutex<Progress<Request, Outcome>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Progress<Request, Outcome> {
    Waiting(Request),
    /// The caller shall lead; its request is still here.
    Lead(Request),
    /// A leader has taken the request.
    Taken,
    Done(Outcome),
}

impl<Request, Outcome> Default for CommitQueue<Request, Outcome> {
    fn default() -> Self {
        CommitQueue { state: Mutex::new(State { waiting: VecDeque::new(), led: false }) }
    }
}

impl<Request, Outcome> CommitQueue<Request, Outcome> {
    /// Has `request` committed, by this thread or by another that leads, and returns its outcome.
    ///
    /// `commit` is given the requests of one group, oldest first, and returns as many outcomes. When it returns fewer
    /// — a broken promise — the rest get `lost`.
    pub(crate) fn submit(
        &self,
        request: Request,
        bytes: usize,
        commit: impl FnOnce(Vec<Request>) -> Vec<Outcome>,
        lost: impl Fn() -> Outcome,
    ) -> Outcome {
        let ticket = self.enqueue(request, bytes);
        if let Some(outcome) = ticket.wait() {
            return outcome;
        }
        let group = self.take_group();
        let requests = group.iter().filter_map(|ticket| ticket.take()).collect();
        let mut guard = HandOver { queue: self, group: &group, lost: &lost, outcomes: Vec::new() };
        guard.outcomes = commit(requests);
        drop(guard);
        // The own ticket was the first of the group.
        ticket.wait().unwrap_or_else(lost)
    }

    /// Queues up; the ticket leads at once when nobody does.
    fn enqueue(&self, request: Request, bytes: usize) -> Arc<Ticket<Request, Outcome>> {
        let mut state = self.state.lock();
        let progress = if state.led { Progress::Waiting(request) } else { Progress::Lead(request) };
        state.led = true;
        let ticket = Arc::new(Ticket { bytes, progress: Mutex::new(progress), changed: Condvar::new() });
        state.waiting.push_back(Arc::clone(&ticket));
        ticket
    }

    /// The oldest requests, up to the size of a group and at least one.
    fn take_group(&self) -> Vec<Arc<Ticket<Request, Outcome>>> {
        let mut state = self.state.lock();
        let mut bytes = 0;
        let mut group = Vec::new();
        while let Some(ticket) = state.waiting.front() {
            bytes += ticket.bytes;
            if !group.is_empty() && bytes > MAX_GROUP_BYTES {
                break;
            }
            group.extend(state.waiting.pop_front());
        }
        group
    }

    /// Makes the oldest waiting ticket lead, or nobody when none waits.
    fn hand_over(&self) {
        let mut state = self.state.lock();
        match state.waiting.front() {
            Some(next) => next.lead(),
            None => state.led = false,
        }
    }
}

impl<Request, Outcome> Ticket<Request, Outcome> {
    /// Blocks until the outcome is there, or until this ticket is to lead: then `None`.
    fn wait(&self) -> Option<Outcome> {
        let mut progress = self.progress.lock();
        loop {
            match std::mem::replace(&mut *progress, Progress::Taken) {
                Progress::Done(outcome) => return Some(outcome),
                Progress::Lead(request) => {
                    *progress = Progress::Lead(request);
                    return None;
                }
                other => *progress = other,
            }
            self.changed.wait(&mut progress);
        }
    }

    fn take(&self) -> Option<Request> {
        match std::mem::replace(&mut *self.progress.lock(), Progress::Taken) {
            Progress::Waiting(request) | Progress::Lead(request) => Some(request),
            Progress::Taken | Progress::Done(_) => None,
        }
    }

    fn lead(&self) {
        let mut progress = self.progress.lock();
        if let Progress::Waiting(request) = std::mem::replace(&mut *progress, Progress::Taken) {
            *progress = Progress::Lead(request);
        }
        self.changed.notify_one();
    }

    fn finish(&self, outcome: Outcome) {
        *self.progress.lock() = Progress::Done(outcome);
        self.changed.notify_one();
    }
}

/// Gives every ticket of a group its outcome and passes the lead on, even when the leader panics.
struct HandOver<'a, Request, Outcome, Lost: Fn() -> Outcome> {
    queue: &'a CommitQueue<Request, Outcome>,
    group: &'a [Arc<Ticket<Request, Outcome>>],
    lost: &'a Lost,
    outcomes: Vec<Outcome>,
}

impl<Request, Outcome, Lost: Fn() -> Outcome> Drop for HandOver<'_, Request, Outcome, Lost> {
    fn drop(&mut self) {
        let mut outcomes = std::mem::take(&mut self.outcomes).into_iter();
        for ticket in self.group {
            ticket.finish(outcomes.next().unwrap_or_else(self.lost));
        }
        self.queue.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_request_gets_its_own_outcome_and_groups_form() {
        let queue = CommitQueue::<u64, u64>::default();
        let groups = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let (queue, groups) = (&queue, &groups);
                scope.spawn(move || {
                    for number in 0..200 {
                        let request = thread * 1000 + number;
                        let commit = |requests: Vec<u64>| {
                            groups.fetch_add(1, Ordering::Relaxed);
                            std::thread::yield_now();
                            requests.iter().map(|request| request * 2).collect()
                        };
                        assert_eq!(queue.submit(request, 1, commit, || 0), request * 2);
                    }
                });
            }
        });
        assert!(groups.load(Ordering::Relaxed) <= 1600);
        assert!(!queue.state.lock().led);
    }

    #[test]
    fn a_group_is_cut_at_its_size_but_never_empty() {
        let queue = CommitQueue::<u8, u8>::default();
        for bytes in [MAX_GROUP_BYTES * 2, 1, MAX_GROUP_BYTES - 1, 1] {
            queue.enqueue(0, bytes);
        }
        let sizes: Vec<usize> = std::iter::repeat_with(|| queue.take_group().len()).take_while(|n| *n > 0).collect();
        assert_eq!(sizes, [1, 2, 1]);
    }

    #[test]
    fn a_leader_that_panics_leaves_nobody_waiting() {
        let queue = CommitQueue::<u8, u8>::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            queue.submit(1, 1, |_| panic!("a broken commit"), || 99)
        }));
        assert!(panicked.is_err());
        assert_eq!(queue.submit(2, 1, |requests| requests, || 99), 2);
    }
}
