// SPDX-License-Identifier: PostgreSQL

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.ResultSet;

/**
 * A pool whose connections are recycled before their token ends: for a number
 * of seconds each is used once and then evicted, and what is thrown ends it.
 * usage: Recycle JDBC-URL USER SECONDS
 */
public class Recycle {
	public static void main(String[] args) throws Exception {
		HikariConfig config = new HikariConfig();
		config.setJdbcUrl(args[0]);
		config.setUsername(args[1]);
		config.setMaximumPoolSize(2);
		config.setConnectionTimeout(10000);
		long end = System.nanoTime()
			+ Long.parseLong(args[2]) * 1000000000L;
		int uses = 0;
		try (HikariDataSource pool = new HikariDataSource(config)) {
			while (System.nanoTime() < end) {
				try (Connection c = pool.getConnection();
						ResultSet r = c.createStatement()
							.executeQuery("select current_user")) {
					r.next();
					if (!r.getString(1).equals(args[1])) {
						throw new IllegalStateException();
					}
					uses++;
					pool.evictConnection(c);
				}
				Thread.sleep(100);
			}
		}
		System.out.println(uses);
	}
}
