/** The command line: one subcommand, one class. Begin with {@link Ringworld}, which lists them. */
package org.ringworld.cli;
