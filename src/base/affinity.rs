//! Which core a thread runs on, where it matters: on a machine with two cores, under load.
//!
//! If whoever asks is on the same machine, the kernel wakes it on the core of the thread that answers where the other core is just busy, because the
//! file is written there, and leaves it where it is when that core is idle again: two then share a core, and the other has nothing to do
//! (docs/decisions/0010-speed.md).
//! So, as long as there is much to write that nobody waits for, the thread that answers stays on a core, the one that writes runs on the other,
//! and whenever that has written something, the first moves to the core that has become idle, away from whoever came to its own. Where a
//! login's end waits for the file, both are free: the core that the disk interrupts would be the wrong one.
//!
//! A new thread begins where the one that made it is bound: either that one lets itself go before, or the new one calls [`anywhere`].

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// The two cores, if there are two: where threads may run while none is bound.
static BOTH: OnceLock<CpuSet> = OnceLock::new();

/// Which thread stays on a core: one at a time, or they would crowd there.
static STAYS: Mutex<Option<Stays>> = Mutex::new(None);

#[derive(Clone, Copy)]
struct Stays {
    who: ThreadId,
    /// On which core it is to be.
    home: usize,
    /// When it was told to stay. It has lost its place once that is as long ago as [`IDLE`].
    told: Instant,
}

const IDLE: Duration = Duration::from_millis(200);

/// No core.
const NOWHERE: usize = usize::MAX;

fn stays() -> MutexGuard<'static, Option<Stays>> {
    STAYS.lock().unwrap_or_else(PoisonError::into_inner)
}

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
    fn stay(&mut self, stay: bool) {
        if !stay && self.0.bound.is_none() {
            return;
        }
        let (mut place, now) = (stays(), Instant::now());
        let ours = place.filter(|stays| stays.who == self.1);
        let free = ours.is_some() || place.is_none_or(|stays| now.duration_since(stays.told) >= IDLE);
        if stay && free {
            if self.0.bound.is_none() {
                self.0.bind(Some(sched_getcpu()));
            }
            let at = |bound| ours.map_or(bound, |stays| stays.home);
            *place = self.0.bound.map(|bound| Stays { who: self.1, home: at(bound), told: now });
        } else {
            self.0.bind(None);
            if ours.is_some() {
                *place = None;
            }
        }
    }

    fn follow(&mut self) {
        if self.0.bound.is_some() {
            // Where another has taken its place, it goes wherever it may.
            let home = stays().filter(|stays| stays.who == self.1).map(|stays| stays.home);
            self.0.bind(home);
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stay(false);
    }
}

/// The calling thread stays on a core when it is told to.
pub fn may_stay() {
    OWN.set(Affinity::of_this_thread().map(|own| Own(own, std::thread::current().id())));
}

/// Has the calling thread stay on a core from now on, or lets it go, if it is one that may stay and no other does.
pub fn stay(stay: bool) {
    OWN.with_borrow_mut(|own| own.iter_mut().for_each(|own| own.stay(stay)));
}

/// Has the calling thread go to the core that was made free for it, if it stays on another one.
pub fn follow() {
    OWN.with_borrow_mut(|own| own.iter_mut().for_each(Own::follow));
}

/// Where the calling thread runs.
#[derive(Debug)]
pub struct Affinity {
    /// Where it may.
    all: CpuSet,
    cores: [usize; 2],
    /// Where it has to; none: anywhere.
    bound: Option<usize>,
}

impl Affinity {
    /// Of the calling thread, which is not bound yet; none where there is nothing to choose, or too much.
    pub fn of_this_thread() -> Option<Self> {
        let all = sched_getaffinity(None).ok().filter(|all| all.count() == 2)?;
        BOTH.get_or_init(|| all);
        Some(Self::of(all))
    }

    fn of(all: CpuSet) -> Self {
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let cores = [(); 2].map(|()| cores.next().unwrap_or(NOWHERE));
        Self { all, cores, bound: None }
    }

    /// Has the calling thread run on the core on which no thread is to stay, if `rush` and one is on the other; else wherever it may.
    pub fn beside(&mut self, rush: bool) {
        let home = rush.then(|| *stays()).flatten().map(|stays| stays.home);
        self.bind(home.and_then(|home| self.cores.into_iter().find(|core| *core != home)));
    }

    /// The calling thread has done something on the core where it was [beside](Self::beside) the one that stays: that one is to come here.
    pub fn leave(&self) {
        if let Some(here) = self.bound
            && let Some(stays) = &mut *stays()
        {
            stays.home = here;
        }
    }

    /// Has the calling thread run there and nowhere else; none: wherever it may.
    fn bind(&mut self, core: Option<usize>) {
        if core == self.bound || core.is_some_and(|core| core == NOWHERE || !self.cores.contains(&core)) {
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

    /// As on a machine with two cores, or one, wherever the test runs.
    fn two() -> Affinity {
        let mut two = CpuSet::new();
        cores().iter().take(2).for_each(|core| two.set(*core));
        let _ = sched_setaffinity(None, &two);
        Affinity::of(two)
    }

    /// Each test has a thread of its own, and only that is bound.
    #[test]
    fn thread_is_bound_to_a_core_that_it_may_run_on_and_released() {
        let mut affinity = two();
        let before = cores();
        for core in &before {
            affinity.bind(Some(*core));
            assert_eq!((cores(), sched_getcpu()), (vec![*core], *core));
        }
        affinity.bind(None);
        assert_eq!(cores(), before);
        affinity.bind(Some(CpuSet::MAX_CPU));
        assert_eq!((cores(), affinity.bound), (before, None), "there is no such core");
    }

    /// In one test, because there is one place for all.
    #[test]
    fn one_thread_stays_until_it_is_let_go_or_ends_and_goes_where_the_other_was() {
        let affinity = two();
        let before = cores();
        let id = || std::thread::spawn(|| std::thread::current().id()).join().unwrap();
        let own = || Own(Affinity::of(affinity.all), id());
        let told = |told: Instant| stays().iter_mut().for_each(|stays| stays.told = told);
        // However slow the machine is.
        let later = || told(Instant::now().checked_add(Duration::from_secs(600)).unwrap());
        let long_ago = || told(Instant::now().checked_sub(IDLE).unwrap());
        let home = || stays().map_or(NOWHERE, |stays| stays.home);
        stay(true);
        assert_eq!((cores(), home()), (before.clone(), NOWHERE), "it may not");
        let mut one = own();
        one.stay(true);
        later();
        assert_eq!(cores(), [home()]);
        let mut writer = Affinity::of(affinity.all);
        if let [first, second] = before[..] {
            let (here, there) = if home() == first { (first, second) } else { (second, first) };
            writer.beside(true);
            assert_eq!((cores(), home()), (vec![there], here));
            writer.leave();
            assert_eq!(home(), there);
            one.follow();
            writer.beside(true);
            assert_eq!((one.0.bound, writer.bound), (Some(there), Some(here)), "they have changed places");
            writer.beside(false);
            assert_eq!(writer.bound, None, "there is no rush");
            writer.leave();
            assert_eq!(home(), there);
        }
        let mut two = own();
        two.stay(true);
        assert_eq!((two.0.bound, one.0.bound.is_some()), (None, true), "another does");
        one.stay(false);
        assert_eq!((cores(), home()), (before.clone(), NOWHERE));
        writer.beside(true);
        writer.leave();
        one.follow();
        assert_eq!((writer.bound, one.0.bound, home()), (None, None, NOWHERE), "nobody stays");
        let mut last = own();
        last.stay(true);
        drop(last);
        assert_eq!((cores(), home()), (before.clone(), NOWHERE), "it has ended");
        one.stay(true);
        long_ago();
        two.stay(true);
        assert!(two.0.bound.is_some(), "the other was not told for a while");
        later();
        one.stay(true);
        assert_eq!((one.0.bound, home() == NOWHERE), (None, false), "and has lost its place");
        long_ago();
        one.stay(true);
        later();
        two.0.bound = before.first().copied();
        two.follow();
        assert_eq!(two.0.bound, None, "it does not follow whoever has its place");
        two.stay(false);
        long_ago();
        two.stay(true);
        two.stay(false);
        one.stay(true);
        assert_eq!(Some(home()), one.0.bound, "it has its place again, and was bound all the time");
    }

    #[test]
    fn thread_that_a_bound_one_has_started_runs_anywhere() {
        let before = cores();
        assert_eq!(Affinity::of_this_thread().is_some(), before.len() == 2);
        let mut affinity = Affinity::of(sched_getaffinity(None).unwrap());
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
