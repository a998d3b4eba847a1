/**
 * A training job: its file, the data of its stages, the model it starts from, what is saved of it.
 * Begin with {@link Job}, then {@link JobFile} and {@link JobData}.
 *
 * <p>A program makes a job of HOCON with {@link JobReader#read(String, String...)}.
 */
package org.ringworld.model.training.job;
