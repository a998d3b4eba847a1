/**
 * Asks an engine what a model is evaluated by, and scores its answers: no command line and no file,
 * so that whoever has an engine can. Begin with {@link AskedSuite}.
 */
package org.ringworld.model.evaluation;
