/**
 * The coordinator of one job: brings events to {@link
 * org.ringworld.model.training.coordination.JobDecisions} and carries their effects out, in
 * messages and files. Begin with {@link Coordinator}.
 */
package org.ringworld.actors.job;
