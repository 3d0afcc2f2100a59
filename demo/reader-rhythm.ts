/** How many records the demo's reader takes between two checkpoints. */
export const recordsPerCheckpoint = 1000
