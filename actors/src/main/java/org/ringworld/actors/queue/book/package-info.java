/**
 * What a queue keeps on disk, so that whoever keeps it next goes on where it was. Begin with {@link
 * JobBook}.
 */
package org.ringworld.actors.queue.book;
