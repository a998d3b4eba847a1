/**
 * Training: stages of ever longer contexts, the learning rate, AdamW, the rows of a step and what
 * they come to. Begin with {@link Curriculum} and {@link StepRows}, then {@link TrainingStep}, one
 * optimizer step of a rank from forward to update.
 */
package org.ringworld.model.training;
