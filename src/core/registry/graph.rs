//! Sorting nodes by "before" edges, smallest first, with cycles allowed.
//!
//! Nodes are numbers in the order that breaks ties, so no names are compared here. Besides the
//! real nodes there are *joints*: a joint stands for "all of these before all of those" and saves
//! the product of edges; it does not appear in the result.
//!
//! A cycle gives up only the edges inside it: its nodes stand side by side, after everything the
//! cycle waits for and before everything that waits for it. That matters when ten thousand entries
//! are loaded and two of them name each other.
//!
//! Cost: `O(n log n + edges)`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

const NONE: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Graph {
    n_real: u32,
    n_all: u32,
    edges: Vec<Edge>,
}

#[derive(Clone, Copy)]
struct Edge {
    from: u32,
    to: u32,
    /// Holds even inside a cycle.
    firm: bool,
}

impl Graph {
    pub(super) fn new(n_nodes: u32) -> Graph {
        Graph { n_real: n_nodes, n_all: n_nodes, edges: Vec::new() }
    }

    pub(super) fn before(&mut self, from: u32, to: u32) {
        if from != to {
            self.edges.push(Edge { from, to, firm: false });
        }
    }

    /// Like [`Graph::before`], and kept when it is part of a cycle. Firm edges must form none.
    pub(super) fn before_always(&mut self, from: u32, to: u32) {
        self.edges.push(Edge { from, to, firm: true });
    }

    /// All of `first` before all of `then`. A node in both comes after the rest of `first`; among
    /// several such nodes there is no order, they would be a cycle.
    pub(super) fn all_before(&mut self, first: &[u32], then: &[u32]) {
        let is_in = |list: &[u32], node: u32| list.binary_search(&node).is_ok();
        let (mut first, mut then) = (first.to_vec(), then.to_vec());
        first.sort_unstable();
        then.sort_unstable();
        let (both, only_then): (Vec<u32>, Vec<u32>) =
            then.iter().partition(|&&node| is_in(&first, node));
        let only_first: Vec<u32> =
            first.iter().copied().filter(|&node| !is_in(&then, node)).collect();
        self.joint(&first, &only_then);
        self.joint(&only_first, &both);
    }

    fn joint(&mut self, first: &[u32], then: &[u32]) {
        if first.is_empty() || then.is_empty() {
            return;
        }
        let joint = self.n_all;
        self.n_all += 1;
        first.iter().for_each(|&from| self.before(from, joint));
        then.iter().for_each(|&to| self.before(joint, to));
    }

    /// The real nodes in order. Those of a cycle stay together; of these, nodes for which `is_late`
    /// holds go last.
    pub(super) fn sort(&self, is_late: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut walk = Walk::new(self);
        walk.run();
        if walk.n_left > 0 {
            walk.run_components(is_late);
        }
        debug_assert_eq!(walk.order.len(), self.n_real as usize);
        walk.order
    }
}

/// The state of one sort.
struct Walk<'a> {
    graph: &'a Graph,
    /// The edges by source: those of node `i` are `targets[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    targets: Vec<Target>,
    /// How many unfinished nodes must come before; `NONE` when the node is finished.
    n_before: Vec<u32>,
    n_left: usize,
    order: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Target {
    node: u32,
    firm: bool,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph) -> Walk<'a> {
        let n = graph.n_all as usize;
        let mut starts = vec![0; n + 1];
        let mut n_before = vec![0; n];
        for edge in &graph.edges {
            starts[edge.from as usize + 1] += 1;
            n_before[edge.to as usize] += 1;
        }
        for i in 0..n {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut targets = vec![Target { node: 0, firm: false }; graph.edges.len()];
        for edge in &graph.edges {
            let slot = &mut next[edge.from as usize];
            targets[*slot as usize] = Target { node: edge.to, firm: edge.firm };
            *slot += 1;
        }
        let order = Vec::with_capacity(graph.n_real as usize);
        Walk { graph, starts, targets, n_before, n_left: n, order }
    }

    fn targets_of(&self, node: u32) -> &[Target] {
        let (start, end) = (self.starts[node as usize], self.starts[node as usize + 1]);
        &self.targets[start as usize..end as usize]
    }

    /// Joints go first: they are no choice, only a way to others.
    fn is_real(&self, node: u32) -> bool {
        node < self.graph.n_real
    }

    /// Finishes every node that no cycle holds back, the smallest ready one first (Kahn 1962).
    fn run(&mut self) {
        let ready = (0..self.graph.n_all).filter(|&node| self.n_before[node as usize] == 0);
        let mut ready: BinaryHeap<_> =
            ready.map(|node| Reverse((self.is_real(node), node))).collect();
        while let Some(Reverse((is_real, node))) = ready.pop() {
            self.n_before[node as usize] = NONE;
            self.n_left -= 1;
            if is_real {
                self.order.push(node);
            }
            for i in self.starts[node as usize]..self.starts[node as usize + 1] {
                let target = self.targets[i as usize].node;
                self.n_before[target as usize] -= 1;
                if self.n_before[target as usize] == 0 {
                    ready.push(Reverse((self.is_real(target), target)));
                }
            }
        }
    }

    /// Finishes the rest component by component: a cycle waits as a whole and is waited for as a
    /// whole. Among components as in [`Walk::run`], by their smallest node.
    fn run_components(&mut self, is_late: impl Fn(u32) -> bool) {
        let component = self.components();
        let n_components = component.iter().filter(|&&c| c != NONE).max().map_or(0, |&c| c + 1);
        let mut members = vec![Vec::new(); n_components as usize];
        let mut n_before = vec![0_u32; n_components as usize];
        for node in (0..self.graph.n_all).filter(|&node| component[node as usize] != NONE) {
            let own = component[node as usize];
            members[own as usize].push(node);
            let outward = self.targets_of(node).iter().map(|t| component[t.node as usize]);
            outward.filter(|&c| c != own).for_each(|c| n_before[c as usize] += 1);
        }
        let rank = |c: u32| (self.is_real(members[c as usize][0]), members[c as usize][0], c);
        let ready = (0..n_components).filter(|&c| n_before[c as usize] == 0);
        let mut ready: BinaryHeap<_> = ready.map(|c| Reverse(rank(c))).collect();
        let mut order = Vec::new();
        while let Some(Reverse((_, _, own))) = ready.pop() {
            order.extend(
                self.break_cycle(&members[own as usize], |n| self.is_real(n) && is_late(n)),
            );
            for &node in &members[own as usize] {
                let outward = self.targets_of(node).iter().map(|t| component[t.node as usize]);
                for c in outward.filter(|&c| c != own) {
                    n_before[c as usize] -= 1;
                    if n_before[c as usize] == 0 {
                        ready.push(Reverse(rank(c)));
                    }
                }
            }
        }
        order.retain(|&node| self.is_real(node));
        self.order.append(&mut order);
    }

    /// The nodes of one component by number, late ones last. Of the edges among them only the firm
    /// ones still count.
    fn break_cycle(&self, members: &[u32], is_late: impl Fn(u32) -> bool) -> Vec<u32> {
        let firm = |node: u32| self.targets_of(node).iter().filter(|t| t.firm).map(|t| t.node);
        let mut n_before: FxHashMap<u32, u32> = members.iter().map(|&node| (node, 0)).collect();
        for target in members.iter().copied().flat_map(firm) {
            n_before.entry(target).and_modify(|n| *n += 1);
        }
        let is_late = |node: u32| members.len() > 1 && is_late(node);
        let ready = members.iter().filter(|node| n_before[node] == 0);
        let mut ready: BinaryHeap<_> = ready.map(|&node| Reverse((is_late(node), node))).collect();
        let mut order = Vec::with_capacity(members.len());
        while let Some(Reverse((_, node))) = ready.pop() {
            order.push(node);
            for target in firm(node) {
                let Some(n) = n_before.get_mut(&target) else { continue };
                *n -= 1;
                if *n == 0 {
                    ready.push(Reverse((is_late(target), target)));
                }
            }
        }
        order
    }

    /// Strongly connected components of the unfinished nodes, `NONE` for the others (Tarjan 1972,
    /// with a stack of its own so that a long chain cannot exhaust the thread's).
    fn components(&self) -> Vec<u32> {
        let n = self.graph.n_all as usize;
        let (mut index, mut low, mut component) = (vec![NONE; n], vec![0; n], vec![NONE; n]);
        let (mut n_seen, mut n_components) = (0, 0);
        let mut open = Vec::new(); // Seen, component unknown.
        let mut calls: Vec<(u32, usize)> = Vec::new(); // Node, next edge to look at.
        for root in 0..self.graph.n_all {
            if self.n_before[root as usize] == NONE || index[root as usize] != NONE {
                continue;
            }
            calls.push((root, 0));
            while let Some(&mut (node, ref mut at)) = calls.last_mut() {
                let v = node as usize;
                if index[v] == NONE {
                    (index[v], low[v]) = (n_seen, n_seen);
                    n_seen += 1;
                    open.push(node);
                }
                if let Some(target) = self.targets_of(node).get(*at) {
                    *at += 1;
                    let w = target.node as usize;
                    if index[w] == NONE {
                        calls.push((target.node, 0));
                    } else if component[w] == NONE {
                        low[v] = low[v].min(index[w]);
                    }
                    continue;
                }
                calls.pop();
                if let Some(&(caller, _)) = calls.last() {
                    low[caller as usize] = low[caller as usize].min(low[v]);
                }
                if low[v] == index[v] {
                    while let Some(member) = open.pop() {
                        component[member as usize] = n_components;
                        if member == node {
                            break;
                        }
                    }
                    n_components += 1;
                }
            }
        }
        component
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(n: u32, edges: &[(u32, u32)], expect: &[u32]) {
        let mut graph = Graph::new(n);
        for &(from, to) in edges {
            graph.before(from, to);
        }
        assert_eq!(graph.sort(|_| false), expect);
    }

    #[test]
    fn smallest_ready_node_first() {
        check(0, &[], &[]);
        check(3, &[], &[0, 1, 2]);
        check(3, &[(2, 0)], &[1, 2, 0]);
        check(4, &[(3, 2), (2, 1), (1, 0)], &[3, 2, 1, 0]);
        check(3, &[(2, 0), (2, 0), (1, 1)], &[1, 2, 0]);
    }

    #[test]
    fn a_cycle_gives_up_only_its_own_edges() {
        check(2, &[(0, 1), (1, 0)], &[0, 1]);
        // 1 and 2 form a cycle; 3 comes before it, 0 after it.
        check(4, &[(1, 2), (2, 1), (3, 1), (2, 0)], &[3, 1, 2, 0]);
        // Two cycles in a row, the later one with the smaller numbers.
        check(4, &[(2, 3), (3, 2), (3, 0), (0, 1), (1, 0)], &[2, 3, 0, 1]);
        // 0 waits for one node of a cycle, which means for all of it.
        check(4, &[(1, 3), (3, 1), (1, 0), (2, 0)], &[2, 1, 3, 0]);
    }

    #[test]
    fn late_nodes_of_a_cycle_go_last_and_firm_edges_hold() {
        let mut graph = Graph::new(3);
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            graph.before(from, to);
        }
        assert_eq!(graph.sort(|node| node == 0), [1, 2, 0]);
        graph.before_always(2, 1);
        assert_eq!(graph.sort(|_| false), [0, 2, 1]);
    }

    #[track_caller]
    fn check_sets(first: &[u32], then: &[u32], expect: &[u32]) {
        let mut graph = Graph::new(5);
        graph.all_before(first, then);
        assert_eq!(graph.sort(|_| false), expect);
    }

    #[test]
    fn a_set_comes_before_another() {
        check_sets(&[3, 4], &[0, 1], &[2, 3, 4, 0, 1]);
        check_sets(&[], &[0], &[0, 1, 2, 3, 4]);
        check_sets(&[0, 1, 2, 3], &[0], &[1, 2, 3, 0, 4]);
        check_sets(&[0, 1, 4], &[0, 1], &[2, 3, 4, 0, 1]);
        check_sets(&[0, 4], &[0, 1], &[2, 3, 4, 0, 1]);
    }

    #[test]
    fn a_long_chain_with_a_cycle_needs_no_deep_stack() {
        let mut graph = Graph::new(200_000);
        for node in 1..200_000 {
            graph.before(node, node - 1);
        }
        graph.before(0, 199_999);
        let order = graph.sort(|_| false);
        assert_eq!((order.len(), order[0]), (200_000, 0));
    }
}
