export interface Mutation {
  rule: string
  file: string
  from: string
  to: string
}

/** Rules that are broken on purpose, one at a time, to see the simulation notice it. */
export const mutations: Mutation[] = [
  {
    rule: 'a write of the owner is accepted from anybody',
    file: 'src/checkpoint/lease-rules.ts',
    from: 'const isHeld = lease.owner === change.by && lease.counter >= change.counter && lease.counter <= change.next',
    to: 'const isHeld = true',
  },
  {
    rule: 'a take does not look at the counter',
    file: 'src/checkpoint/lease-rules.ts',
    from: 'const isAsObserved = lease.owner === change.owner && lease.counter === change.counter',
    to: 'const isAsObserved = true',
  },
  {
    rule: 'an owner does not stop at its deadline',
    file: 'src/checkpoint/lease-keeper.ts',
    from: 'lease.deadlineMs = begunMs + this.#options.failoverMs',
    to: 'lease.deadlineMs = begunMs + 10 * this.#options.failoverMs',
  },
  {
    rule: 'the checkpoint goes ahead of the handler',
    file: 'src/group/handle-batch.ts',
    from: 'const isTried = await (underWay ?? place.attempt(left, attempt))',
    to: 'place.done(left)\n      const isTried = await (underWay ?? place.attempt(left, attempt))',
  },
  {
    rule: 'children do not wait for their parents',
    file: 'src/group/plan-leases.ts',
    from: '!lease.parentIds.some((parentId) => unfinished.has(parentId))',
    to: '(lease.parentIds.length > 0 || !unfinished.has(""))',
  },
]
