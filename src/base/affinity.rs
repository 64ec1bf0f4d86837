//! Which core a thread runs on, where it matters: on a machine with two cores.
//!
//! Left to the scheduler, the thread that answers RADIUS and the one that writes the file take their turns on both cores. Under load one of
//! them then often stands in the way of whoever asks, while the other core is idle (docs/decisions/0010-speed.md). So, as long as there is
//! much to write that nobody waits for, the former stays on the core that it runs on, and the latter joins it there. Where the file is waited for, both
//! are free: the core that the disk interrupts would be the wrong one.
//!
//! A new thread begins where the one that made it is bound. Whatever may be started by one that is bound calls [`anywhere`] first.

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use std::cell::RefCell;
use std::sync::OnceLock;

/// Where threads of this process may run: as it was before any was bound.
static ALL: OnceLock<CpuSet> = OnceLock::new();

/// The core that the calling thread runs on at the moment.
pub fn here() -> usize {
    sched_getcpu()
}

/// Has the calling thread run wherever the process may.
pub fn anywhere() {
    if let Some(all) = ALL.get() {
        // Without it, everything works as well.
        let _ = sched_setaffinity(None, all);
    }
}

thread_local! {
    /// Of a thread that may stay.
    static OWN: RefCell<Option<Affinity>> = const { RefCell::new(None) };
}

/// The calling thread stays on its core when it is told to.
pub fn may_stay() {
    OWN.set(Affinity::of_this_thread());
}

/// Has the calling thread stay on its core from now on, or lets it go, if it is one that may stay.
pub fn stay(stay: bool) {
    OWN.with_borrow_mut(|own| {
        if let Some(own) = own {
            own.bind(stay.then(here));
        }
    });
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
        let all = match ALL.get() {
            Some(all) => *all,
            None => {
                let all = sched_getaffinity(None).ok()?;
                *ALL.get_or_init(|| all)
            }
        };
        (all.count() == 2).then_some(Self { all, bound: None })
    }

    /// Has the calling thread run there and nowhere else; none: wherever it may. What does not work is not tried again.
    pub fn bind(&mut self, core: Option<usize>) {
        let core = core.filter(|core| *core < CpuSet::MAX_CPU && self.all.is_set(*core));
        if core == self.bound {
            return;
        }
        let mut set = if core.is_some() { CpuSet::new() } else { self.all };
        core.into_iter().for_each(|core| set.set(core));
        // Without it, everything works as well.
        let _ = sched_setaffinity(None, &set);
        self.bound = core;
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
            assert_eq!((cores(), here()), (vec![*core], *core));
        }
        affinity.bind(None);
        assert_eq!(cores(), before);
        for none in [CpuSet::MAX_CPU, usize::MAX] {
            affinity.bind(Some(none));
            assert_eq!(cores(), before, "there is no such core");
        }
    }

    #[test]
    fn thread_that_may_stay_does_so_until_it_is_let_go() {
        let before = cores();
        stay(true);
        assert_eq!(cores(), before, "it may not");
        may_stay();
        stay(true);
        let stays = cores();
        assert_eq!(stays.len(), if before.len() == 2 { 1 } else { before.len() });
        assert!(stays.contains(&here()));
        stay(true);
        assert_eq!(cores(), stays);
        stay(false);
        assert_eq!(cores(), before);
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
        assert_eq!(inside(anywhere), before);
    }
}
