/**
 * Benchmarks of training steps and of a ring's links, beside limits that are measured in the same
 * run. Begin with {@link BenchCommand}, then {@link StepBench} and {@link RingBench}.
 */
package org.ringworld.cli.bench;
