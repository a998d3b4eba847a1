/**
 * What a job's coordinator and its devices decide, as plain state machines without actors, clock,
 * threads or files: who is in the ring, what comes after a step, what a loss means. Begin with
 * {@link JobDecisions}, which turns an {@link Event} into {@link Effect}s, and its parts {@link
 * RingFormation} and {@link RingWork}.
 *
 * <p>A program that watches a job hears {@link Progress}.
 */
package org.ringworld.model.training.coordination;
