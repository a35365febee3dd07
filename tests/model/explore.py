# SPDX-License-Identifier: PostgreSQL
"""Visit every state that a model can be in, and look for one that must not be.

A model has:

    roots()      the states that it can begin in
    steps(s)     pairs (what happens, the state after it)
    broken(s)    the sentence of an invariant that does not hold in s, or None
    quiet(s)     is s a state that everything should be able to come to?
    has_time(s)  is there room in the bounds left to come to a quiet one?

States are compared and hashed; nothing else is known of them here.
"""
import array
import collections


class Result:
    """What was found.

    states: how many were visited; broken: the sentence, or None; path: what
    happened, in order, from a root to the broken state, as short as possible;
    stuck: how many states with time left no quiet state can be reached from.
    """

    def __init__(self, states, broken=None, path=(), stuck=0):
        self.states = states
        self.broken = broken
        self.path = path
        self.stuck = stuck


class Graph:
    """The states visited so far, numbered, and the steps between them."""

    def __init__(self):
        self.states = []
        self.numbers = {}
        self.before = array.array("l")  # from where a state was first reached
        self.sources = array.array("l")
        self.targets = array.array("l")

    def add(self, state, before):
        """(its number, is it new?)"""
        number = self.numbers.setdefault(state, len(self.states))
        if number < len(self.states):
            return number, False
        self.states.append(state)
        self.before.append(before)
        return number, True

    def path(self, model, number):
        """Its words are asked for again: to keep them would cost memory."""
        words = []
        while self.before[number] >= 0:
            before = self.before[number]
            words.append(next(
                word for word, state in model.steps(self.states[before])
                if state == self.states[number]))
            number = before
        return words[::-1]

    def reach(self, goals):
        """For each state: can one of the goals be reached from it?"""
        sources = collections.defaultdict(lambda: array.array("l"))
        for source, target in zip(self.sources, self.targets):
            sources[target].append(source)
        can = bytearray(len(self.states))
        queue = collections.deque(goals)
        for goal in goals:
            can[goal] = 1
        while queue:
            for source in sources[queue.popleft()]:
                if not can[source]:
                    can[source] = 1
                    queue.append(source)
        return can


def explore(model):
    """Breadth first, so that a path is a shortest one; ends at the first state
    that is broken."""
    graph = Graph()
    for root in model.roots():
        graph.add(root, -1)
    number = 0
    while number < len(graph.states):
        state = graph.states[number]
        sentence = model.broken(state)
        if sentence:
            return Result(len(graph.states), sentence,
                          graph.path(model, number))
        for _, after in model.steps(state):
            target, _ = graph.add(after, number)
            graph.sources.append(number)
            graph.targets.append(target)
        number += 1
    can = graph.reach([n for n, s in enumerate(graph.states)
                       if model.quiet(s)])
    stuck = sum(1 for n, s in enumerate(graph.states)
                if not can[n] and model.has_time(s))
    return Result(len(graph.states), stuck=stuck)
