/**
 * Snapshots, the complete state of a run after a step, which do not depend on the ring they were
 * written by. Begin with {@link Snapshot}; {@link RunDirectory} finds the newest model of a run.
 */
package org.ringworld.checkpoints.snapshot;
