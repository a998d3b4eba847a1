/**
 * The command that trains, and what a person sees of a run: summary, live line, tables and
 * pictures. Begin with {@link TrainCommand}, then {@link TrainingReport}.
 */
package org.ringworld.cli.train;
