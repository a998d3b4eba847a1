/**
 * What {@code eval} evaluates a saved model by, one file each. Begin with {@link
 * org.ringworld.cli.eval.EvalCommand}.
 */
package org.ringworld.cli.eval;
