/**
 * Images as codes on the command line. Begin with {@link VisionCommand}; {@link ImageFile} is where
 * frames come from and go to.
 */
package org.ringworld.cli.vision;
