//! Which core a thread runs on, where it matters: on a machine with two cores.
//!
//! Left to the scheduler, the thread that answers RADIUS and the one that writes the file take their turns on both cores. Under load one of
//! them then often stands in the way of whoever asks, while the other core is idle (docs/decisions/0010-speed.md). So, as long as there is
//! much to write that nobody waits for, the former stays on the core that it runs on, and the latter joins it there. Where a login's end
//! waits for the file, both are free: the core that the disk interrupts would be the wrong one.
//!
//! A new thread begins where the one that made it is bound: either that one lets itself go before, or the new one calls [`anywhere`].

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use std::cell::RefCell;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// The two cores, if there are two: where threads may run while none is bound.
static BOTH: OnceLock<CpuSet> = OnceLock::new();

/// Which thread stays on its core: one at a time, or they would crowd there. It gives its place up once it was not told to stay for as long
/// as [`IDLE`].
static STAYS: Mutex<Option<(ThreadId, Instant)>> = Mutex::new(None);

const IDLE: Duration = Duration::from_millis(200);

/// Has the calling thread run on both cores if it has begun bound to one.
pub fn anywhere() {
    if let (Some(both), Ok(now)) = (BOTH.get(), sched_getaffinity(None))
        && now.count() < both.count()
    {
        // Without it, everything works as well.
        let _ = sched_setaffinity(None, both);
    }
}

thread_local! {
    /// Of a thread that may stay.
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

struct Own(Affinity, ThreadId);

impl Own {
    fn stay(&mut self, stay: bool) -> Option<usize> {
        if !stay && self.0.bound.is_none() {
            return None;
        }
        let (mut place, now) = (STAYS.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        let others = place.is_some_and(|(who, told)| who != self.1 && now.duration_since(told) < IDLE);
        if stay && !others {
            if self.0.bound.is_none() {
                self.0.bind(Some(sched_getcpu()));
            }
            *place = self.0.bound.map(|_| (self.1, now));
        } else {
            self.0.bind(None);
            *place = place.filter(|(who, _)| *who != self.1);
        }
        self.0.bound
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stay(false);
    }
}

/// The calling thread stays on its core when it is told to.
pub fn may_stay() {
    OWN.set(Affinity::of_this_thread().map(|own| Own(own, std::thread::current().id())));
}

/// Has the calling thread stay on its core from now on, or lets it go, if it is one that may stay and no other does. The core that it
/// stays on, if it does.
pub fn stay(stay: bool) -> Option<usize> {
    OWN.with_borrow_mut(|own| own.as_mut()?.stay(stay))
}

/// Where the calling thread runs.
#[derive(Debug)]
pub struct Affinity {
    /// Where it may.
    all: CpuSet,
    /// Where it has to; none: anywhere.
    bound: Option<usize>,
}

impl Affinity {
    /// Of the calling thread, which is not bound yet; none where there is nothing to choose, or too much.
    pub fn of_this_thread() -> Option<Self> {
        let all = sched_getaffinity(None).ok().filter(|all| all.count() == 2)?;
        BOTH.get_or_init(|| all);
        Some(Self { all, bound: None })
    }

    /// Has the calling thread run there and nowhere else; none: wherever it may.
    pub fn bind(&mut self, core: Option<usize>) {
        let core = core.filter(|core| *core < CpuSet::MAX_CPU && self.all.is_set(*core));
        if core == self.bound {
            return;
        }
        let mut set = if core.is_some() { CpuSet::new() } else { self.all };
        core.into_iter().for_each(|core| set.set(core));
        // Without it, everything works as well.
        if sched_setaffinity(None, &set).is_ok() {
            self.bound = core;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cores() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    }

    /// Each test has a thread of its own, and only that is bound.
    #[test]
    fn thread_is_bound_to_a_core_that_it_may_run_on_and_released() {
        let before = cores();
        let mut affinity = Affinity { all: sched_getaffinity(None).unwrap(), bound: None };
        for core in &before {
            affinity.bind(Some(*core));
            assert_eq!((cores(), sched_getcpu()), (vec![*core], *core));
        }
        affinity.bind(None);
        assert_eq!(cores(), before);
        for none in [CpuSet::MAX_CPU, usize::MAX] {
            affinity.bind(Some(none));
            assert_eq!(cores(), before, "there is no such core");
        }
    }

    /// On a machine with as many cores as it may be.
    #[test]
    fn one_thread_stays_until_it_is_let_go_or_ends() {
        let (all, before) = (sched_getaffinity(None).unwrap(), cores());
        let id = || std::thread::spawn(|| std::thread::current().id()).join().unwrap();
        let own = || Own(Affinity { all, bound: None }, id());
        assert_eq!((stay(true), cores()), (None, before.clone()), "it may not");
        let mut one = own();
        let core = one.stay(true);
        assert_eq!(core.map(|core| vec![core]), Some(cores()));
        assert_eq!(one.stay(true), core);
        let later = |place: &mut Option<(ThreadId, Instant)>, by: Duration| {
            place.iter_mut().for_each(|(_, told)| *told = told.checked_add(by).unwrap());
        };
        // However slow the machine is.
        later(&mut STAYS.lock().unwrap(), Duration::from_secs(600));
        assert_eq!(own().stay(true), None, "another does");
        assert_eq!((one.stay(false), cores()), (None, before.clone()));
        assert!(own().stay(true).is_some());
        assert_eq!(cores(), before, "it has ended");
        let mut two = own();
        assert!(one.stay(true).is_some());
        *STAYS.lock().unwrap() = Some((one.1, Instant::now().checked_sub(IDLE).unwrap()));
        assert!(two.stay(true).is_some(), "the other was not told for a while");
        later(&mut STAYS.lock().unwrap(), Duration::from_secs(600));
        assert_eq!(one.stay(true), None, "and has lost its place");
    }

    #[test]
    fn thread_that_a_bound_one_has_started_runs_anywhere() {
        let before = cores();
        assert_eq!(Affinity::of_this_thread().is_some(), before.len() == 2);
        let mut affinity = Affinity { all: sched_getaffinity(None).unwrap(), bound: None };
        affinity.bind(before.first().copied());
        let inside = |work: fn()| {
            let thread = std::thread::spawn(move || {
                work();
                cores()
            });
            thread.join().unwrap()
        };
        assert_eq!(inside(|| {}), before[..1]);
        if before.len() == 2 {
            assert_eq!(inside(anywhere), before);
        }
    }
}
