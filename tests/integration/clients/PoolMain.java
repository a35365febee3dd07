// SPDX-License-Identifier: PostgreSQL

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;

/** HikariCP as docs/clients.md sets it up: a new log-in for each line. */
public class PoolMain {
	public static void main(String[] args) throws Exception {
		HikariConfig config = new HikariConfig(args[0]);
		config.setPoolName("clients");
		BufferedReader in = new BufferedReader(
			new InputStreamReader(System.in));
		try (HikariDataSource pool = new HikariDataSource(config)) {
			while (in.readLine() != null) {
				System.out.println(login(pool));
			}
		}
	}

	private static String login(HikariDataSource pool) {
		pool.getHikariPoolMXBean().softEvictConnections();
		try (Connection c = pool.getConnection();
				ResultSet found = c.createStatement()
					.executeQuery("select current_user")) {
			found.next();
			String user = found.getString(1);
			return user;
		} catch (SQLException e) {
			return e.getMessage();
		}
	}
}
