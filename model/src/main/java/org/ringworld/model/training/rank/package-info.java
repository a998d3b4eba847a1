/**
 * What the ranks of a ring work on and what one of them does for it. Begin with {@link Work} (a
 * job, a saved model, steps for their time), then {@link RankModel}, a model on the rank's device
 * that trains, evaluates and runs batches.
 */
package org.ringworld.model.training.rank;
