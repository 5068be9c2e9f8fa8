//! Which worker goes on which core.

use core_affinity::CoreId;

/// Cores this program may use.
pub fn usable_cores() -> usize {
    match core_affinity::get_core_ids() {
        Some(cores) if !cores.is_empty() => cores.len(),
        _ => std::thread::available_parallelism().map_or(1, |n| n.get()),
    }
}

/// A core for each of `workers`: one after another, from the start again when there are more
/// workers than cores. `None` where no pinning is wanted or the system tells no cores.
pub fn pins(workers: usize, pin: bool) -> Vec<Option<CoreId>> {
    let cores = match pin {
        true => core_affinity::get_core_ids().unwrap_or_default(),
        false => Vec::new(),
    };
    spread(&cores, workers)
}

fn spread(cores: &[CoreId], workers: usize) -> Vec<Option<CoreId>> {
    (0..workers).map(|i| cores.get(i % cores.len().max(1)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_the_cores_in_turn() {
        let cores: Vec<CoreId> = [0, 2, 4].map(|id| CoreId { id }).to_vec();
        let ids = |workers| -> Vec<usize> {
            spread(&cores, workers).into_iter().flatten().map(|core| core.id).collect()
        };
        assert_eq!(ids(2), [0, 2]);
        assert_eq!(ids(5), [0, 2, 4, 0, 2]);
        assert_eq!(spread(&[], 2), [None, None]);
    }
}
